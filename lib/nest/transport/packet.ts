/**
 * Packets on the wire, as Nest's own RabbitMQ transport writes them: JSON `{pattern, data, id}` for requests, the same
 * without `id` for events, `{response, isDisposed, err}` for replies.
 */
import { RmqRecord } from '@nestjs/microservices';
import type { PublishProperties } from '../../amqp/index.js';
import { aboutMessage } from '../formats/body-reader.js';
import { writeFormat } from '../formats/body-writer.js';
import { jsonType, type Formats } from '../formats/formats.js';
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

/** Unpacks records, whose options go beside the packet; the default of both sides. */
export class RecordSerializer {
  serialize(packet: object): object {
    const given = packet as { readonly data?: unknown; readonly response?: unknown };
    if (isRecord(given.data)) return { ...packet, data: given.data.data, options: given.data.options };
    if (isRecord(given.response)) return { ...packet, response: given.response.data, options: given.response.options };
    return packet;
  }
}

/**
 * What a serialiser gave as a message: its `options` become properties; the rest is written by the format of their content
 * type, else of the given one, or as JSON. Throws ArgumentError for what the format cannot write.
 */
export function toOutgoing(serialized: unknown, formats: Formats, contentType?: string): OutgoingPacket {
  if (typeof serialized !== 'object' || serialized === null || !('options' in serialized)) {
    return { ...written(serialized, {}, formats, contentType), isMandatory: undefined };
  }
  const { options, ...packet } = serialized;
  const { properties, isMandatory } = toOutgoingOptions(options);
  return { ...written(packet, properties, formats, properties.contentType ?? contentType), isMandatory };
}

function written(
  packet: unknown,
  properties: PublishProperties,
  formats: Formats,
  contentType: string | undefined,
): { readonly body: Buffer; readonly properties: PublishProperties } {
  const format = formats.find(contentType);
  if (!format) {
    const body = Buffer.from(JSON.stringify(packet), 'utf8');
    return { body, properties: contentType === undefined ? properties : { ...properties, contentType } };
  }
  const own = { ...properties, contentType: contentType ?? jsonType };
  const about = aboutMessage({ exchange: '', routingKey: '' }, own);
  return { body: Buffer.from(writeFormat(format, packet, about)), properties: own };
}

function isRecord(value: unknown): value is AmqpRecord | RmqRecord<unknown> {
  return value instanceof AmqpRecord || value instanceof RmqRecord;
}
