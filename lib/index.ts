/** `leveret`: RabbitMQ for NestJS. The client alone is `leveret/amqp`. */
export * from './nest/index.js';
