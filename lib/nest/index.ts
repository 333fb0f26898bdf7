/** The public face of the Nest layer. */
export * from './consuming/index.js';
export * from './decorators/index.js';
export {
  BodyTooLargeError,
  ConfigurationError,
  HandlerTimeoutError,
  NoHandlerError,
  OrderKeyError,
  PublishBatchError,
  ShutdownError,
  TopologyConflictError,
  UnknownConnectionError,
  UnknownConsumerError,
  UnreadableBodyError,
  type PublishBatchFailure,
} from './errors.js';
export * from './flow/index.js';
export * from './formats/index.js';
export * from './idempotency/index.js';
export * from './module/index.js';
export * from './observability/index.js';
export { Publisher, PublisherFactory, type BatchMessage, type MessageOptions } from './publishing/index.js';
export * from './outbox/index.js';
export * from './recovery/index.js';
export * from './requests/index.js';
export * from './retrying/index.js';
export type { ConflictChoice, StartChoice } from './starting/start-options.js';
export * from './transactions/index.js';
export * from './transport/index.js';
