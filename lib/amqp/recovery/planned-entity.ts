/** What a plan says of an entity. Types alone: plan.ts asks the broker, plan-listing.ts its management API. */
import type { AmqpError } from '../errors.js';
import type { FieldValue } from '../protocol/index.js';
import type { DefinitionsArguments } from './definitions.js';
import type { BindingRecord, ExchangeRecord, QueueRecord } from './topology-record.js';

/** What is to be on the broker. A connection's `topology` is one. */
export interface DeclaredTopology {
  /** Exchanges. */
  readonly exchanges: readonly ExchangeRecord[];
  /** Queues. */
  readonly queues: readonly QueueRecord[];
  /** Bindings, to queues and to exchanges. */
  readonly bindings: readonly BindingRecord[];
}

/** One property or argument of a declaration that the broker has otherwise. */
export interface Difference {
  /** `type`, `durable`, `autoDelete`, `internal`, `exclusive`, or an argument such as `x-message-ttl`. */
  readonly argument: string;
  /** As declared; undefined where it is not. */
  readonly declared: FieldValue | undefined;
  /** As the broker has it; undefined where it has none. */
  readonly onBroker: FieldValue | undefined;
}

/**
 * `missing`: a declare would make it. `equal`: a declare changes nothing. `conflict`: a declare would be refused (406).
 * `unknown`: the broker did not say, and `error` may tell why; bindings, whose both ends are there, are always unknown
 * unless the management API is asked.
 */
export type PlannedState = 'missing' | 'equal' | 'conflict' | 'unknown';

/** An exchange or a queue as the management API tells it. */
export interface EntityOnBroker {
  /** Of an exchange: `direct`, `fanout`, `topic`, `headers`, or a plugin's. */
  readonly type: string | undefined;
  /** Survives a restart of the broker. */
  readonly durable: boolean;
  /** Deleted when the last that needs it goes. */
  readonly autoDelete: boolean;
  /** Of an exchange: takes no publishes, only bindings. */
  readonly internal: boolean | undefined;
  /** Of a queue: for one connection alone. Not told of quorum queues and streams, which cannot be. */
  readonly exclusive: boolean | undefined;
  /** Arguments of the declaration, as JSON says them. RabbitMQ 4 adds `x-queue-type` where it was not declared. */
  readonly arguments: DefinitionsArguments;
  /** The policy that applies to it. */
  readonly policy: string | undefined;
}

/** An entity of a plan. */
export interface PlannedEntity {
  /** What it is. */
  readonly kind: 'exchange' | 'queue' | 'binding';
  /** Its name; for a binding `source -> destination (routing key)`. */
  readonly name: string;
  /** As it was declared. */
  readonly declared: ExchangeRecord | QueueRecord | BindingRecord;
  /** What a declare would do. */
  readonly state: PlannedState;
  /**
   * Of a conflict: in what it differs. What is `equal` may have some where the management API was asked: arguments that
   * a declare does not look at, so that it would change nothing.
   */
  readonly differences: readonly Difference[];
  /** False for a conflict that may differ in more than `differences` says. */
  readonly isComplete: boolean;
  /** What the broker said, where that was not enough. */
  readonly error: AmqpError | undefined;
  /** The exchange or queue on the broker, where the management API was asked and has it. */
  readonly onBroker: EntityOnBroker | undefined;
  /** The policy that applies to the exchange or queue; undefined where none does, or the management API was not asked. */
  readonly policy: string | undefined;
}

/** What asking the broker gave. */
export interface PlanFindings {
  /** What was declared, in the order of the declarations: exchanges, queues, bindings. */
  readonly entities: readonly PlannedEntity[];
  /** Bindings to what was declared that were not; empty where the management API was not asked. */
  readonly extra: readonly BindingRecord[];
}
