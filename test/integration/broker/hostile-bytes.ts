/**
 * Bytes that no client should send, each with the moment at which it is sent. What a broker makes of them is in
 * hostile.test.ts.
 */
import {
  ByteWriter,
  protocolHeader,
  writeMethod,
  type MethodInputs,
  type MethodName,
} from '../../../lib/amqp/protocol/index.js';

/** How far the handshake went: nothing said, connection.start heard, tune heard, all done and channel 1 open. */
export type Moment = 'header' | 'start' | 'tune' | 'open';

export interface HostileCase {
  readonly what: string;
  readonly moment: Moment;
  readonly bytes: Buffer;
  /** See `Verdict` in hostile.test.ts. */
  readonly verdict: string;
}

export function frame(type: number, channel: number, payload: Uint8Array, end = 0xce): Buffer {
  const bytes = Buffer.alloc(payload.length + 8);
  bytes.writeUInt8(type, 0);
  bytes.writeUInt16BE(channel, 1);
  bytes.writeUInt32BE(payload.length, 3);
  bytes.set(payload, 7);
  bytes.writeUInt8(end, bytes.length - 1);
  return bytes;
}

/** A frame's head that states a size of its own. */
export function head(type: number, channel: number, size: number): Buffer {
  const bytes = Buffer.alloc(7);
  bytes.writeUInt8(type, 0);
  bytes.writeUInt16BE(channel, 1);
  bytes.writeUInt32BE(size, 3);
  return bytes;
}

export function method<Name extends MethodName>(channel: number, name: Name, fields: MethodInputs[Name]): Buffer {
  const writer = new ByteWriter();
  writeMethod(writer, channel, name, fields, 0);
  return Buffer.concat(writer.take());
}

export function rawMethod(channel: number, classId: number, methodId: number, payload: Uint8Array): Buffer {
  return frame(1, channel, Buffer.concat([short(classId), short(methodId), payload]));
}

export const publish = method(1, 'basic.publish', { exchange: '', routingKey: 'nobody' });

/** A content header for class 60 without properties. */
export function header(bodySize: number, { classId = 60, weight = 0, rest = short(0) } = {}): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(bodySize));
  return frame(2, 1, Buffer.concat([short(classId), short(weight), size, rest]));
}

export function short(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function long(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A field table, the lengths of which lie where `length` says so. */
export function table(content: Uint8Array, length = content.length): Buffer {
  return Buffer.concat([long(length), content]);
}

const field = (tag: string, value: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([1]), Buffer.from(`a${tag}`), value]);

/** Tables, each in the one before. */
export function nestedTables(depth: number): Buffer {
  let content: Buffer = Buffer.alloc(0);
  for (let level = 0; level < depth; level++) content = field('F', table(content));
  return table(content);
}

export function nestedArrays(depth: number): Buffer {
  let content: Buffer = Buffer.alloc(0);
  for (let level = 0; level < depth; level++) content = Buffer.concat([Buffer.from('A'), table(content)]);
  return table(field('A', table(content)));
}

/** queue.declare of a queue without a name with these arguments, which may be anything. */
export function declareWith(argumentTable: Uint8Array): Buffer {
  return rawMethod(1, 50, 10, Buffer.concat([short(0), Buffer.from([0, 4]), argumentTable]));
}

/** A publish whose headers are these bytes. */
export function headersWith(argumentTable: Uint8Array): Buffer {
  return Buffer.concat([publish, header(0, { rest: Buffer.concat([short(0x2000), argumentTable]) })]);
}

const startOk = (mechanism: string, response: string): Buffer =>
  method(0, 'connection.start-ok', { mechanism, response, locale: 'en_US' });

/** connection.start-ok whose client properties are these bytes. */
const startOkWith = (properties: Uint8Array): Buffer =>
  rawMethod(
    0,
    10,
    11,
    Buffer.concat([properties, Buffer.from('\x05PLAIN'), long(12), Buffer.from('\0guest\0guest\x05en_US')]),
  );

const cases: readonly (readonly [Moment, string, Buffer, string?])[] = [
  ['header', 'HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['header', 'AMQP 1.0', Buffer.from('AMQP\x00\x01\x00\x00')],
  ['header', 'AMQP 0-8', Buffer.from('AMQP\x01\x01\x08\x00')],
  ['header', 'TLS', Buffer.from('16030100a5010000a1', 'hex')],
  ['start', 'a frame of an unknown type', frame(9, 0, Buffer.alloc(4))],
  ['start', 'a frame that ends wrongly', frame(1, 0, Buffer.alloc(4), 0)],
  ['start', 'a frame of 4 GiB', head(1, 0, 0xffff_ffff)],
  ['start', 'a method on a channel', method(1, 'channel.open', {})],
  ['start', 'another mechanism', startOk('BOGUS', '')],
  ['start', 'a wrong password', startOk('PLAIN', '\0guest\0wrong')],
  ['start', 'a PLAIN response without passwords', startOk('PLAIN', 'guest')],
  ['start', 'an AMQPLAIN response that is no table', startOk('AMQPLAIN', '\xff\xff')],
  ['start', 'tune-ok too early', method(0, 'connection.tune-ok', { channelMax: 0, frameMax: 0, heartbeat: 0 })],
  ['start', 'client properties whose length lies', startOkWith(table(Buffer.alloc(4), 0x7fff_ffff))],
  ['start', 'client properties a thousand deep', startOkWith(nestedTables(1_000))],
  ['start', 'the protocol header again', protocolHeader],
  ['tune', 'a frame_max of 1', method(0, 'connection.tune-ok', { channelMax: 0, frameMax: 1, heartbeat: 0 })],
  ['tune', 'a greater frame_max', method(0, 'connection.tune-ok', { channelMax: 10, frameMax: 999_999, heartbeat: 0 })],
  ['tune', 'open too early', method(0, 'connection.open', { virtualHost: '/' })],
  ['open', 'a heartbeat that ends wrongly', frame(8, 0, Buffer.alloc(0), 0xcc), '501'],
  ['open', 'a method that ends wrongly', frame(1, 1, Buffer.from('0032000a', 'hex'), 0), '501'],
  ['open', 'a frame of type 0', frame(0, 1, Buffer.alloc(4)), '501'],
  ['open', 'a frame of type 4', frame(4, 1, Buffer.alloc(4)), '501'],
  ['open', 'a frame of type 255', frame(255, 1, Buffer.alloc(4)), '501'],
  ['open', 'a method frame over frame_max', head(1, 1, 200_000), '501'],
  ['open', 'a content header over frame_max', Buffer.concat([publish, head(2, 1, 200_000)]), '501'],
  ['open', 'a body frame over frame_max', Buffer.concat([publish, header(300_000), head(3, 1, 200_000)]), '501'],
  ['open', 'a frame of 4 GiB', head(3, 1, 0xffff_ffff), '501'],
  ['open', 'a heartbeat on a channel', frame(8, 1, Buffer.alloc(0)), '505'],
  ['open', 'a heartbeat with a payload', frame(8, 0, Buffer.from('hello')), '501'],
  ['open', 'a method frame without a method', frame(1, 1, Buffer.alloc(0)), '501'],
  ['open', 'half a method id', frame(1, 1, Buffer.from([0, 50])), '501'],
  ['open', 'a method of an unknown class', rawMethod(1, 99, 10, Buffer.alloc(0)), '503'],
  ['open', 'an unknown method', rawMethod(1, 50, 99, Buffer.alloc(0)), '503'],
  ['open', 'a method of a channel on channel 0', method(0, 'queue.declare', { queue: 'q' }), '504'],
  ['open', 'a method of the connection on a channel', method(1, 'connection.open', { virtualHost: '/' }), '503'],
  [
    'open',
    'connection.close on a channel',
    method(1, 'connection.close', { replyCode: 200, replyText: '', classId: 0, methodId: 0 }),
    '503',
  ],
  ['open', 'start-ok again', startOk('PLAIN', '\0guest\0guest'), '504'],
  [
    'open',
    'tune-ok again',
    method(0, 'connection.tune-ok', { channelMax: 10, frameMax: 131_072, heartbeat: 0 }),
    '504',
  ],
  ['open', 'open again', method(0, 'connection.open', { virtualHost: '/' }), '504'],
  ['open', 'close-ok out of nowhere', method(0, 'connection.close-ok', {}), '504'],
  ['open', 'what only a broker says, on channel 0', method(0, 'connection.open-ok', {}), '504'],
  [
    'open',
    'what only a broker says',
    method(1, 'queue.declare-ok', { queue: '', messageCount: 0, consumerCount: 0 }),
    '503',
  ],
  ['open', 'the protocol header again', protocolHeader, '501'],
  ['open', 'a channel that is not open', method(7, 'queue.declare', { queue: 'q' }), '504'],
  ['open', 'a channel over channel_max', method(11, 'channel.open', {}), 'goes on'],
  ['open', 'a channel opened twice', method(1, 'channel.open', {}), '504'],
  ['open', 'channel.close-ok out of nowhere', method(1, 'channel.close-ok', {}), '503'],
  ['open', 'channel.flow-ok out of nowhere', method(1, 'channel.flow-ok', { active: true }), '503'],
  ['open', 'channel.close-ok for no channel', method(7, 'channel.close-ok', {}), '504'],
  [
    'open',
    'channel.close for no channel',
    method(7, 'channel.close', { replyCode: 200, replyText: '', classId: 0, methodId: 0 }),
    '504',
  ],
  ['open', 'a content header without a method', header(0), '505'],
  ['open', 'a body without a method', frame(3, 1, Buffer.from('x')), '505'],
  ['open', 'a content header on no channel', frame(2, 7, Buffer.alloc(14)), '505'],
  ['open', 'a body on no channel', frame(3, 7, Buffer.from('x')), '505'],
  ['open', 'a content header on channel 0', frame(2, 0, Buffer.alloc(14)), '505'],
  ['open', 'a body on channel 0', frame(3, 0, Buffer.from('x')), '505'],
  ['open', 'a body without a content header', Buffer.concat([publish, frame(3, 1, Buffer.from('x'))]), '505'],
  ['open', 'a second content header', Buffer.concat([publish, header(5), header(5)]), '505'],
  [
    'open',
    'a method instead of a content header',
    Buffer.concat([publish, method(1, 'queue.declare', { queue: 'q' })]),
    '505',
  ],
  [
    'open',
    'a method instead of a body',
    Buffer.concat([publish, header(5), method(1, 'queue.declare', { queue: 'q' })]),
    '505',
  ],
  ['open', 'a content header of another class', Buffer.concat([publish, header(0, { classId: 50 })]), '505'],
  ['open', 'a content header with a weight', Buffer.concat([publish, header(0, { weight: 1 })]), '505'],
  ['open', 'a content header of five bytes', Buffer.concat([publish, frame(2, 1, Buffer.alloc(5))]), '501'],
  ['open', 'a content header without flags', Buffer.concat([publish, header(0, { rest: Buffer.alloc(0) })]), '501'],
  ['open', 'property flags without properties', Buffer.concat([publish, header(0, { rest: short(0xfffc) })]), '541'],
  ['open', 'property flags that go on', Buffer.concat([publish, header(0, { rest: short(1) })]), '541'],
  [
    'open',
    'bytes behind the properties',
    Buffer.concat([publish, header(0, { rest: Buffer.from('00000001', 'hex') })]),
    '541',
  ],
  [
    'open',
    'a body of 2^63 bytes',
    Buffer.concat([publish, frame(2, 1, Buffer.from('003c00008000000000000000' + '0000', 'hex'))]),
    '501',
  ],
  [
    'open',
    'a body over the greatest message size',
    Buffer.concat([publish, header(1024 ** 3), frame(3, 1, Buffer.from('x'))]),
    '501',
  ],
  ['open', 'more body than announced', Buffer.concat([publish, header(3), frame(3, 1, Buffer.from('four'))]), '501'],
  [
    'open',
    'a body where none was announced',
    Buffer.concat([publish, header(0), frame(3, 1, Buffer.from('x'))]),
    '505',
  ],
  ['open', 'arguments whose length lies', declareWith(table(field('t', Buffer.from([1])), 1_000)), '501'],
  ['open', 'arguments whose length is 4 GiB', declareWith(table(Buffer.alloc(0), 0xffff_ffff)), '501'],
  ['open', 'a field name whose length lies', declareWith(table(Buffer.from([200, 97]))), '501'],
  ['open', 'a field of an unknown type', declareWith(table(field('?', Buffer.alloc(4)))), '501'],
  ['open', 'a long string whose length lies', declareWith(table(field('S', long(1_000)))), '501'],
  ['open', 'a nested table whose length lies', declareWith(table(field('F', long(1_000)))), '501'],
  ['open', 'a table that ends in the middle of a field', declareWith(table(Buffer.from('\x01aI\0\0'))), '501'],
  ['open', 'arguments a thousand tables deep', declareWith(nestedTables(1_000)), '501'],
  ['open', 'arguments a thousand lists deep', declareWith(nestedArrays(1_000)), '501'],
  ['open', 'headers a thousand tables deep', headersWith(nestedTables(1_000)), '541'],
  ['open', 'headers whose length lies', headersWith(table(Buffer.alloc(0), 1_000)), '541'],
  ['open', 'a short string whose length lies', rawMethod(1, 50, 10, Buffer.from('0000ff', 'hex')), '501'],
  ['open', 'bytes behind the fields', rawMethod(1, 60, 80, Buffer.alloc(20)), '501'],
  ['open', 'too few bytes for the fields', rawMethod(1, 60, 80, Buffer.alloc(2)), '501'],
  ['open', 'an ack of a tag that never was', method(1, 'basic.ack', { deliveryTag: 999 }), 'channel 406'],
  ['open', 'an ack of the greatest tag', rawMethod(1, 60, 80, Buffer.from('ffffffffffffffff00', 'hex')), '501'],
  [
    'open',
    'a queue name that is no UTF-8',
    rawMethod(1, 50, 10, Buffer.from('0000' + '02' + 'c328' + '02' + '00000000', 'hex')),
    '501',
  ],
  ['open', 'a consumer tag that is no UTF-8', rawMethod(1, 60, 30, Buffer.from('02fffe00', 'hex')), '501'],
  [
    'open',
    'a consumer tag that says what stands for such',
    method(1, 'basic.cancel', { consumerTag: '\ufffd' }),
    'goes on',
  ],
  [
    'open',
    'a routing key that is no UTF-8',
    Buffer.concat([rawMethod(1, 60, 40, Buffer.from('0000' + '00' + '02fffe' + '00', 'hex')), header(0)]),
    'goes on',
  ],
];

export const hostileCases: readonly HostileCase[] = cases.map(([moment, what, bytes, verdict = 'ends']) => ({
  ...{ moment, what, bytes, verdict },
}));
