export { AmqpContext, type AmqpContextParts } from './amqp-context.js';
export type { AmqplibMessage } from './amqplib-message.js';
export { Settlement } from './settlement.js';
export { ConsumerRegistry, type ConsumerStatus } from './consumer-registry.js';
export type { ConsumerState } from './message-consumer.js';
