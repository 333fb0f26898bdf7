/** What the broker says of itself in connection.start. Clients decide by these capabilities what they may use. */
import type { FieldTable } from '../../amqp/protocol/index.js';
import type { Behaviour } from '../store/behaviour.js';

export function serverProperties(behaviour: Behaviour): FieldTable {
  return {
    capabilities: {
      publisher_confirms: true,
      exchange_exchange_bindings: true,
      'basic.nack': true,
      consumer_cancel_notify: true,
      'connection.blocked': true,
      consumer_priorities: true,
      authentication_failure_close: true,
      per_consumer_qos: true,
      direct_reply_to: true,
    },
    cluster_name: 'leveret@localhost',
    copyright: 'The Leveret authors',
    information: 'An embedded broker for tests and development: in memory, one node',
    platform: `Node.js ${process.versions.node}`,
    // Clients look at product and version to know what a broker can do.
    product: 'RabbitMQ',
    version: behaviour.reportedVersion,
  };
}
