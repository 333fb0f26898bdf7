/** The way in. */
import type { ConnectionParameters } from '../connection/index.js';
import { ParametersError } from '../errors.js';
import { Connection } from './connection.js';

/**
 * Connects to a RabbitMQ broker.
 *
 * One round over the endpoints is made unless `attempts` asks for more; then it rejects: ParametersError,
 * ConnectionRefusedError, AuthenticationError, AccessRefusedError, TimeoutError's kin, each naming the step. Once
 * connected, a lost connection is rebuilt for ever, unless `recovery` says otherwise.
 *
 * @param url - An AMQP URI or several; default `amqp://guest:guest@localhost:5672/%2f`.
 * @param parameters - Everything else; see ConnectionParameters.
 */
export function connect(url?: string | readonly string[], parameters?: ConnectionParameters): Promise<Connection>;
export function connect(parameters: ConnectionParameters): Promise<Connection>;
export async function connect(
  first?: string | readonly string[] | ConnectionParameters,
  second: ConnectionParameters = {},
): Promise<Connection> {
  return Connection.open(mergeParameters(first, second));
}

/** Both forms of `connect` as one object. */
export function mergeParameters(
  first: string | readonly string[] | ConnectionParameters | undefined,
  second: ConnectionParameters = {},
): ConnectionParameters {
  if (first === undefined) return second;
  if (typeof first === 'string') return { ...second, url: first };
  if (isList(first)) return { ...second, url: first };
  if (typeof first !== 'object' || (first as unknown) === null) {
    throw new ParametersError(['connect takes an AMQP URI, a list of them, or an object of parameters']);
  }
  return { ...first, ...second };
}

function isList(value: readonly string[] | ConnectionParameters): value is readonly string[] {
  return Array.isArray(value);
}
