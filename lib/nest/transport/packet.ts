/**
 * Packets on the wire, as Nest's own RabbitMQ transport writes them: JSON `{pattern, data, id}` for requests, the same
 * without `id` for events, `{response, isDisposed, err}` for replies.
 */
import { RmqRecord } from '@nestjs/microservices';
import { AmqpRecord } from './amqp-record.js';
import { toOutgoingOptions, type OutgoingOptions } from './outgoing-options.js';

/** A message ready to be published. */
export interface OutgoingPacket extends OutgoingOptions {
  readonly body: Buffer;
}

/** The text of a pattern as it stands in logs, and as a routing key. Patterns come from outside: it never throws. */
export function patternText(pattern: unknown): string {
  if (typeof pattern === 'string') return pattern;
  try {
    const json: unknown = JSON.stringify(pattern);
    return String(json);
  } catch {
    return '[unserializable pattern]';
  }
}

/** The body as JSON; `isJson` is false, and the value the text itself, where it is none. */
export function readBody(body: Buffer): { readonly value: unknown; readonly isJson: boolean } {
  const text = body.toString('utf8');
  try {
    return { value: JSON.parse(text) as unknown, isJson: true };
  } catch {
    return { value: text, isJson: false };
  }
}

/** Unpacks records, whose options go beside the packet; the default of both sides. */
export class RecordSerializer {
  serialize(packet: object): object {
    const given = packet as { readonly data?: unknown; readonly response?: unknown };
    if (isRecord(given.data)) return { ...packet, data: given.data.data, options: given.data.options };
    if (isRecord(given.response)) return { ...packet, response: given.response.data, options: given.response.options };
    return packet;
  }
}

/** What a serialiser gave as a message: its `options` become properties, the rest JSON. */
export function toOutgoing(serialized: unknown): OutgoingPacket {
  if (typeof serialized !== 'object' || serialized === null || !('options' in serialized)) {
    return { body: Buffer.from(JSON.stringify(serialized), 'utf8'), properties: {}, isMandatory: undefined };
  }
  const { options, ...packet } = serialized;
  const { properties, isMandatory } = toOutgoingOptions(options);
  return { body: Buffer.from(JSON.stringify(packet), 'utf8'), properties, isMandatory };
}

function isRecord(value: unknown): value is AmqpRecord | RmqRecord<unknown> {
  return value instanceof AmqpRecord || value instanceof RmqRecord;
}
