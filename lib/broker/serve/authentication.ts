/** SASL, as far as AMQP clients use it: PLAIN, AMQPLAIN, and EXTERNAL for client certificates. Pure. */
import { ByteReader, readTable, type MethodFields } from '../../amqp/protocol/index.js';
import { type ReplyError, connectionRefusal } from '../store/reply-error.js';
import type { User } from './users.js';

/**
 * Who a client is by its certificate, where the broker asks for one: the user's name, or undefined where it showed none that
 * was verified, or there is no name in it.
 */
export interface ExternalLogin {
  readonly name: string | undefined;
}

type StartOk = MethodFields['connection.start-ok'];

/** What connection.start offers: EXTERNAL wherever certificates are asked for, also to who showed none, as RabbitMQ does. */
export function mechanisms(external: ExternalLogin | undefined): string {
  return external ? 'PLAIN AMQPLAIN EXTERNAL' : 'PLAIN AMQPLAIN';
}

/** The user that connection.start-ok names, or throws 403 in RabbitMQ's words. */
export function authenticate(
  users: ReadonlyMap<string, User>,
  startOk: StartOk,
  external: ExternalLogin | undefined,
): User {
  const { mechanism } = startOk;
  const { name, password } = credentialsOf(startOk, external);
  const user = users.get(name);
  // What the transport made sure of asks for no password.
  if (user && (password === undefined || user.hasPassword(password))) return user;
  throw connectionRefusal(
    'accessRefused',
    `Login was refused using authentication mechanism ${mechanism}. For details see the broker logfile.`,
  );
}

/** The name of the user that connection.start-ok claims to be; empty where none can be told. */
export function claimedUser(startOk: StartOk, external: ExternalLogin | undefined): string {
  try {
    return credentialsOf(startOk, external).name;
  } catch {
    return '';
  }
}

/** Whether it is the answer to a login that failed, which only clients that announced so get to read. */
export function isLoginRefusal(error: ReplyError): boolean {
  return error.replyCode === 403 && error.replyText.includes('Login was refused');
}

interface Credentials {
  readonly name: string;
  /** Undefined: none is asked for. */
  readonly password: string | undefined;
}

function credentialsOf({ mechanism, response }: StartOk, external: ExternalLogin | undefined): Credentials {
  // Nobody has an empty name.
  if (mechanism === 'EXTERNAL' && external) return { name: external.name ?? '', password: undefined };
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
