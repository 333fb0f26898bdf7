/** What the client says of itself in connection.start-ok. */
import type { FieldTable } from '../protocol/index.js';

/** Held against package.json by a test. */
export const clientVersion = '0.1.0';

/**
 * The user's own properties replace ours of the same name. Capabilities are joined, and there ours stay: what the client
 * announces is what it relies on (a broker that is not told of `consumer_cancel_notify` ends consumers in silence).
 */
export function clientProperties(own: Readonly<FieldTable>): FieldTable {
  return {
    product: 'leveret',
    version: clientVersion,
    platform: `Node.js ${process.version}`,
    information: 'https://www.npmjs.com/package/leveret',
    ...own,
    capabilities: {
      ...(own['capabilities'] as FieldTable | undefined),
      publisher_confirms: true,
      exchange_exchange_bindings: true,
      'basic.nack': true,
      consumer_cancel_notify: true,
      'connection.blocked': true,
      authentication_failure_close: true,
    },
  };
}
