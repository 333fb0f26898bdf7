/** `leveret/broker`: an embedded AMQP 0-9-1 broker for tests and development. */
export { EmbeddedBroker } from './embedded-broker.js';
export type {
  BrokerEventMap,
  ConnectionEvent,
  DeliveredEvent,
  MethodEvent,
  Outcome,
  PublishedEvent,
  SettledEvent,
} from './events.js';
export type { ConnectionFilter } from './faults/connection-filter.js';
export type { FaultDirection, FaultReply } from './faults/effects.js';
export type { Fault } from './faults/fault.js';
export type { FaultSite, SlowOptions } from './faults/fault-site.js';
export type { AtOptions, Faults } from './faults/faults.js';
export type { ConnectionInfo, ExchangeInfo, Inspection, QueueInfo } from './inspection.js';
export type { BrokerOptions } from './options.js';
export type { CertificateLogin } from './serve/certificate-name.js';
export type { PasswordHash, Permissions, UserOptions } from './serve/users.js';
export type { EmulatedVersion } from './store/behaviour.js';
export type { Binding, ExchangeType } from './store/exchange.js';
export type { Message } from './store/message.js';
export type { Policy } from './store/policies.js';
export type { PolicyDefinition, PolicyOptions, PolicyTarget } from './store/policy-rules.js';
export type { QueueType } from './store/queue-arguments.js';
