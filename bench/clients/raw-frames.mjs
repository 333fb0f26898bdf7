// Frames of AMQP 0-9-1 as the floor needs them: encoded once, before anything is measured.

const frameEnd = 0xce;

export function method(channel, id, parts) {
  return frame(1, channel, [long(id), ...parts]);
}

/** A whole message: basic.publish, header and body frames of at most `frameMax` bytes. */
export function publishFrames(channel, { exchange, routingKey, body, properties }, frameMax) {
  const { contentType, correlationId, replyTo } = properties;
  const flags = (contentType ? 0x8000 : 0) | (correlationId ? 0x0400 : 0) | (replyTo ? 0x0200 : 0);
  const values = [contentType, correlationId, replyTo].filter((value) => value !== undefined).map(shortText);
  const bodies = [];
  for (let at = 0; at < body.length; at += frameMax - 8) {
    bodies.push(frame(3, channel, [body.subarray(at, at + frameMax - 8)]));
  }
  return Buffer.concat([
    method(channel, 0x003c0028, [short(0), shortText(exchange), shortText(routingKey), octet(0)]),
    frame(2, channel, [short(60), short(0), long(0), long(body.length), short(flags), ...values]),
    ...bodies,
  ]);
}

/** The reply-to property behind the head of a content header, whose other properties are those of `publishFrames`. */
export function replyToOf(bytes, header) {
  const flags = bytes.readUInt16BE(header + 12);
  let at = header + 14;
  for (const flag of [0x8000, 0x0400]) if (flags & flag) at += 1 + bytes[at];
  return bytes.toString('utf8', at + 1, at + 1 + bytes[at]);
}

function frame(type, channel, parts) {
  const payload = Buffer.concat(parts);
  return Buffer.concat([octet(type), short(channel), long(payload.length), payload, octet(frameEnd)]);
}

export function octet(value) {
  return Buffer.of(value);
}

export function short(value) {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function long(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function shortText(text) {
  const bytes = Buffer.from(text);
  return Buffer.concat([octet(bytes.length), bytes]);
}

export function longText(text) {
  const bytes = Buffer.from(text);
  return Buffer.concat([long(bytes.length), bytes]);
}
