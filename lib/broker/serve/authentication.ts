/** SASL, as far as AMQP clients use it: PLAIN and AMQPLAIN. Pure. */
import { ByteReader, readTable, type MethodFields } from '../../amqp/protocol/index.js';
import { type ReplyError, connectionRefusal } from '../store/reply-error.js';
import type { User } from './users.js';

export const mechanisms = 'PLAIN AMQPLAIN';

/** The user that connection.start-ok names, or throws 403 in RabbitMQ's words. */
export function authenticate(users: ReadonlyMap<string, User>, startOk: MethodFields['connection.start-ok']): User {
  const { mechanism } = startOk;
  const credentials = credentialsOf(startOk);
  const user = users.get(credentials.name);
  if (user?.hasPassword(credentials.password)) return user;
  throw connectionRefusal(
    'accessRefused',
    `Login was refused using authentication mechanism ${mechanism}. For details see the broker logfile.`,
  );
}

/** The name of the user that connection.start-ok claims to be; empty where none can be told. */
export function claimedUser(startOk: MethodFields['connection.start-ok']): string {
  try {
    return credentialsOf(startOk).name;
  } catch {
    return '';
  }
}

/** Whether it is the answer to a login that failed, which only clients that announced so get to read. */
export function isLoginRefusal(error: ReplyError): boolean {
  return error.replyCode === 403 && error.replyText.includes('Login was refused');
}

function credentialsOf({ mechanism, response }: MethodFields['connection.start-ok']): {
  name: string;
  password: string;
} {
  if (mechanism === 'PLAIN') {
    const [, name = '', password = ''] = response.toString('utf8').split('\0');
    return { name, password };
  }
  if (mechanism === 'AMQPLAIN') {
    // A field table without its length.
    const table = Buffer.alloc(4 + response.length);
    table.writeUInt32BE(response.length);
    response.copy(table, 4);
    const { LOGIN: name, PASSWORD: password } = readTable(new ByteReader(table));
    return { name: typeof name === 'string' ? name : '', password: typeof password === 'string' ? password : '' };
  }
  throw connectionRefusal('syntaxError', `unsupported authentication mechanism '${mechanism}'`);
}
