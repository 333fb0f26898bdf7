export { AmqpContext, type AmqpContextParts } from './amqp-context.js';
export { Settlement } from './settlement.js';
export { ConsumerRegistry, type ConsumerState, type ConsumerStatus } from './consumer-registry.js';
