/**
 * Replies of `@Consume({ reply: true })`, as foreign clients read them: JSON of what the handler gave, an empty body for
 * undefined; an error is marked by a header. Pure.
 */
import { RpcException } from '@nestjs/microservices';
import type { Delivery, PublishProperties } from '../../amqp/index.js';
import { describeError } from '../errors.js';
import { RemoteError } from './errors.js';

/** Marks a reply that is an error, with the name of its class. */
export const errorHeader = 'x-leveret-error';

export interface PlainReply {
  readonly body: string;
  readonly properties: PublishProperties;
}

/** Throws what JSON.stringify throws. */
export function valueReply(value: unknown): PlainReply {
  const json: unknown = JSON.stringify(value);
  return { body: typeof json === 'string' ? json : '', properties: {} };
}

/** Tells what an RpcException was made of, as Nest does; what else went wrong is nobody else's business. */
export function errorReply(error: unknown): PlainReply {
  const isTold = error instanceof RpcException;
  const told = isTold ? error.getError() : 'Internal server error';
  const body = JSON.stringify(typeof told === 'object' ? told : { status: 'error', message: told });
  return { body, properties: { headers: { [errorHeader]: isTold ? describeError(error).name : 'Error' } } };
}

/** The value of a reply. Throws RemoteError for one that is an error, and SyntaxError for a body that is no JSON. */
export function readReply(routingKey: string, { body, properties }: Delivery): unknown {
  const text = body.toString('utf8');
  const value: unknown = text === '' ? undefined : JSON.parse(text);
  if (properties.headers?.[errorHeader] !== undefined) throw new RemoteError(routingKey, value);
  return value;
}
