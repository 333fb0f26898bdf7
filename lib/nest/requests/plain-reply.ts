/**
 * Replies of `@Consume({ reply: true })`, as foreign clients read them: what the handler gave, in the format that the request
 * came in, which is JSON unless said; an empty body for undefined; an error is marked by a header. Pure.
 */
import { RpcException } from '@nestjs/microservices';
import type { Delivery, PublishProperties } from '../../amqp/index.js';
import { describeError } from '../errors.js';
import { aboutMessage, type BodyReader, type MessageIn } from '../formats/body-reader.js';
import { writeFormat } from '../formats/body-writer.js';
import { RemoteError } from './errors.js';

/** Marks a reply that is an error, with the name of its class. */
export const errorHeader = 'x-leveret-error';

export interface PlainReply {
  readonly body: string | Uint8Array;
  readonly properties: PublishProperties;
}

/** `as`: undefined for JSON. Throws what JSON.stringify throws, and ArgumentError for what a format cannot write. */
export function valueReply(value: unknown, as?: MessageIn): PlainReply {
  if (value === undefined) return { body: '', properties: {} };
  if (as) return formatReply(value, {}, as);
  const json: unknown = JSON.stringify(value);
  return { body: typeof json === 'string' ? json : '', properties: {} };
}

/** Tells what an RpcException was made of, as Nest does; what else went wrong is nobody else's business. */
export function errorReply(error: unknown, as?: MessageIn): PlainReply {
  const isTold = error instanceof RpcException;
  const told = isTold ? error.getError() : 'Internal server error';
  const value = typeof told === 'object' ? told : { status: 'error', message: told };
  const headers = { [errorHeader]: isTold ? describeError(error).name : 'Error' };
  return as ? formatReply(value, { headers }, as) : { body: JSON.stringify(value), properties: { headers } };
}

function formatReply(value: unknown, properties: PublishProperties, { format, contentType }: MessageIn): PlainReply {
  const about = aboutMessage({ exchange: '', routingKey: '' }, { contentType, headers: properties.headers });
  return { body: writeFormat(format, value, about), properties: { ...properties, contentType } };
}

/** The value of a reply. Rejects with RemoteError for one that is an error, and with UnreadableBodyError. */
export async function readReply(routingKey: string, delivery: Delivery, reader: BodyReader): Promise<unknown> {
  const value: unknown = delivery.body.length === 0 ? undefined : await reader.read(delivery);
  if (delivery.properties.headers?.[errorHeader] !== undefined) throw new RemoteError(routingKey, value);
  return value;
}
