/** A method on a connection, as observers see it: never a password. Pure. */
import type { Method } from '../../amqp/protocol/index.js';
import type { MethodEvent } from '../events.js';
import type { Speaker } from './method-watch.js';

/** Fields that hold what nobody else may see. */
const secretFields: Partial<Record<Method['name'], string>> = {
  'connection.start-ok': 'response',
  'connection.secure-ok': 'response',
  'connection.update-secret': 'newSecret',
};

const hidden = Buffer.from('hidden');

export function methodEvent(
  connection: { readonly id: number; readonly name: string },
  from: Speaker,
  channel: number,
  method: Method,
  bodySize: number | undefined,
): MethodEvent {
  return {
    connectionId: connection.id,
    connection: connection.name,
    from,
    channel,
    method: withoutSecret(method),
    bodySize,
  };
}

function withoutSecret(method: Method): Method {
  const secret = secretFields[method.name];
  return secret === undefined ? method : ({ ...method, fields: { ...method.fields, [secret]: hidden } } as Method);
}
