/** The transport's face: what `leveret` exports of it. */
export { AmqpClient, type RequestOptions } from './amqp-client.js';
export { AmqpRecord, AmqpRecordBuilder, type AmqpRecordOptions } from './amqp-record.js';
export { AMQP_TRANSPORT, AmqpServer } from './amqp-server.js';
export { DuplicateHandlerError } from './errors.js';
export type { NestEndpoint, NestSocketOptions } from './nest-connection.js';
export type { AmqpClientOptions, AmqpServerOptions, AmqpTransportOptions, TransportQueueOptions } from './options.js';
export type { AmqpStatus, AmqpTransportEvents } from './status.js';
