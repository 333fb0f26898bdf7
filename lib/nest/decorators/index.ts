export type { AckPolicy, ErrorClass, FailureOutcome, FailurePolicy } from './ack-policy.js';
export { Ack } from './ack.decorator.js';
export type {
  ConfiguredConsumeOptions,
  ConsumeFactory,
  ConsumeOptions,
  NamedConsumeOptions,
  QueueOptions,
} from './consume-options.js';
export { Consume } from './consume.decorator.js';
export { InjectPublisher, type MessageDefaults, type PublisherOptions } from './inject-publisher.decorator.js';
export { OnRecovery, type OnRecoveryOptions } from './on-recovery.decorator.js';
export { Delivery, Headers, Properties } from './parameters.decorator.js';
