export { AmqpContext, type AmqpContextParts } from './amqp-context.js';
export { Settlement } from './settlement.js';
