/** A handler as it was found: where it is, what it consumes and how it is settled. */
import type { InstanceWrapper } from '@nestjs/core/injector/instance-wrapper.js';
import type { AckPolicy } from '../decorators/ack-policy.js';
import type { ConsumeOptions, NamedConsumeOptions } from '../decorators/consume-options.js';

export interface HandlerDefinition {
  /** `Class.method`. */
  readonly name: string;
  readonly wrapper: InstanceWrapper;
  readonly method: string;
  readonly options: ConsumeOptions | NamedConsumeOptions;
  readonly ack: AckPolicy;
  /** True where the handler takes its Settlement as a parameter. */
  readonly isByHand: boolean;
  /** True where it has `@Idempotent`. */
  readonly isIdempotent: boolean;
}
