/** What the client says of itself in connection.start-ok. */
import type { FieldTable } from '../protocol/index.js';

/** Held against package.json by a test. */
export const clientVersion = '0.1.0';

export function clientProperties(own: Readonly<FieldTable>): FieldTable {
  return {
    product: 'leveret',
    version: clientVersion,
    platform: `Node.js ${process.version}`,
    information: 'https://www.npmjs.com/package/leveret',
    ...own,
    capabilities: {
      publisher_confirms: true,
      exchange_exchange_bindings: true,
      'basic.nack': true,
      consumer_cancel_notify: true,
      'connection.blocked': true,
      authentication_failure_close: true,
    },
  };
}
