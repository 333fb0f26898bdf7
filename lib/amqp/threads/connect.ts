/** The way in: puts the client together with the threads that it may use. */
import type { ConnectionParameters } from '../connection/index.js';
import { Connection, type ThreadSupport } from '../client/connection.js';
import { mergeParameters } from '../client/merge-parameters.js';
import { ioThreadOpener } from './io-thread.js';
import { shareConnection } from './share.js';

export const threadSupport: ThreadSupport = { openInThread: ioThreadOpener, share: shareConnection };

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
  return Connection.open(mergeParameters(first, second), threadSupport);
}
