export type {
  AmqpFeatureOptions,
  AmqpModuleExtras,
  AmqpModuleOptions,
  BindingDefinition,
  ConsumerDefaults,
  ExchangeDefinition,
  QueueDefinition,
  TopologyDefinitions,
} from './amqp-options.js';
export { AmqpModule, type AmqpOptionsFactory } from './amqp.module.js';
export { AmqpConnections } from './connections.js';
export { NamedConnection } from './named-connection.js';
