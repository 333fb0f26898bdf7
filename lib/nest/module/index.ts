export type {
  AmqpModuleExtras,
  AmqpModuleOptions,
  BindingDefinition,
  ConsumerDefaults,
  ExchangeDefinition,
  QueueDefinition,
} from './amqp-options.js';
export { AmqpModule, type AmqpOptionsFactory } from './amqp.module.js';
export { AmqpConnections } from './connections.js';
export { NamedConnection } from './named-connection.js';
