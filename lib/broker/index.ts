/** `leveret/broker`: an embedded AMQP 0-9-1 broker for tests and development. */
export { EmbeddedBroker } from './embedded-broker.js';
export type {
  BrokerEventMap,
  ConnectionEvent,
  DeliveredEvent,
  Outcome,
  PublishedEvent,
  SettledEvent,
} from './events.js';
export type { Faults } from './faults.js';
export type { ConnectionInfo, ExchangeInfo, Inspection, QueueInfo } from './inspection.js';
export type { BrokerOptions } from './options.js';
export type { Permissions, UserOptions } from './serve/users.js';
export type { EmulatedVersion } from './store/behaviour.js';
export type { Binding, ExchangeType } from './store/exchange.js';
export type { Message } from './store/message.js';
export type { QueueType } from './store/queue-arguments.js';
