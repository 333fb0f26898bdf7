/** Which connections a fault is for. */
import { ArgumentError } from '../../amqp/errors.js';
import { connectionInfo, type ConnectionInfo } from '../inspection.js';
import type { FaultyConnection } from '../serve/fault-hooks.js';

/**
 * Connections by what they say of themselves; all that is given has to fit, and nothing given means all. A name alone may
 * stand for `{ name }`.
 */
export type ConnectionFilter =
  | string
  | {
      /** `connection_name` of the client properties, else `host:port` of the client. */
      readonly name?: string | RegExp | undefined;
      /** Who logs in. */
      readonly user?: string | undefined;
      /** Whatever else; called when the connection has said its name and its user, before it is logged in. */
      readonly where?: ((connection: ConnectionInfo) => boolean) | undefined;
    };

export interface Matcher {
  /** It needs no more than that there is a connection. */
  readonly takesAll: boolean;
  matches(connection: FaultyConnection): boolean;
}

const known = new Set(['name', 'user', 'where']);

/** Throws ArgumentError for what is no filter. */
export function matcherOf(filter: ConnectionFilter | undefined): Matcher {
  if (filter === undefined) return { takesAll: true, matches: () => true };
  const asked = typeof filter === 'string' ? { name: filter } : filter;
  if (typeof asked !== 'object' || (asked as unknown) === null) {
    throw new ArgumentError('connections', 'must be a name, or an object with name, user or where');
  }
  const unknown = Object.keys(asked).find((key) => !known.has(key));
  if (unknown !== undefined) throw new ArgumentError(`connections.${unknown}`, 'unknown; there is: name, user, where');
  const { name, user, where } = asked;
  if (name !== undefined && typeof name !== 'string' && !(name instanceof RegExp)) {
    throw new ArgumentError('connections.name', 'must be a string or a regular expression');
  }
  if (user !== undefined && typeof user !== 'string') throw new ArgumentError('connections.user', 'must be a string');
  if (where !== undefined && typeof where !== 'function') {
    throw new ArgumentError('connections.where', 'must be a function');
  }
  return {
    takesAll: name === undefined && user === undefined && where === undefined,
    matches: (connection) => {
      if (typeof name === 'string' && connection.name !== name) return false;
      if (name instanceof RegExp && connection.name.search(name) < 0) return false;
      if (user !== undefined && connection.userName !== user) return false;
      return where === undefined || where(connectionInfo(connection));
    },
  };
}
