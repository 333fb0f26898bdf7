/** What `@Consume` may say, and its check. */
import type { InjectionToken, OptionalFactoryDependency } from '@nestjs/common';
import type { FieldTable } from '../../amqp/index.js';
import { isAutoPause, type AutoPauseOptions } from '../flow/auto-pause-options.js';
import { batchContradictions, isBatch, type BatchOptions } from '../flow/batch-options.js';
import { isOrdered, type OrderedOptions } from '../flow/ordering.js';
import {
  faultsOf,
  isBoolean,
  isFilledName,
  isFunction,
  isList,
  isMilliseconds,
  isName,
  isOneOf,
  isRecord,
  isTable,
  isWhole,
  type Check,
} from '../option-checks.js';

/** How a queue is declared; shared by `@Consume` and the module's `queues`. */
export interface QueueOptions {
  /** `classic` or `quorum` (`x-queue-type`). Default `classic`. */
  queueType?: 'classic' | 'quorum' | undefined;
  /** Survives a restart of the broker. Default true. */
  durable?: boolean | undefined;
  /** For this connection alone, and deleted with it. Default false. */
  exclusive?: boolean | undefined;
  /** Deleted when its last consumer goes. Default false. */
  autoDelete?: boolean | undefined;
  /** Where the broker sends what is dead-lettered (`x-dead-letter-exchange`, `x-dead-letter-routing-key`). */
  deadLetter?: { exchange: string; routingKey?: string | undefined } | undefined;
  /** Further arguments, for instance `x-message-ttl` (milliseconds). */
  arguments?: FieldTable | undefined;
}

export interface ConsumeOptions extends QueueOptions {
  /** The queue. It is declared unless `declare: false`. */
  queue: string;
  /** The exchange that the queue is bound to. It must exist: declare it in the module's `exchanges`. */
  exchange?: string | undefined;
  /**
   * One binding for each. Default `''`. Several handlers may share a queue where these have nothing in common, as topic
   * patterns: each message goes to the one whose it is, and one that is nobody's is settled by the module's `defaults.ack`,
   * with a NoHandlerError. With `declare: false` they bind nothing, and choose.
   */
  routingKey?: string | readonly string[] | undefined;
  /** Unsettled deliveries at a time; 0 is without limit. Raised to `concurrency`. Default 20. */
  prefetch?: number | undefined;
  /** Handlers that run at a time. Default: as many as are delivered. */
  concurrency?: number | undefined;
  /**
   * Messages of one key are handled one after the other, in the order of the queue; those of different keys at the same time,
   * up to `concurrency`. Default: in no order, unless `concurrency: 1`.
   */
  ordered?: OrderedOptions | undefined;
  /**
   * The handler is given many messages at a time: an array of payloads, and a BatchContext. `concurrency` counts batches, and
   * `prefetch` is raised to `size`, times `concurrency` where that is limited. Default: one message at a time.
   */
  batch?: BatchOptions | undefined;
  /** Pauses the consumer by itself after failures in a row, or while a probe says no. Default: it never does. */
  autoPause?: AutoPauseOptions | undefined;
  /** What the payload is: the value in the JSON body, or the body's bytes as they came, a Buffer. Default `json`. */
  body?: 'json' | 'bytes' | undefined;
  /**
   * True: who asked (a message with reply-to) is sent what the handler returned, its promise or observable gave last, as JSON,
   * an empty body for undefined, with the correlation id; and its error: what an RpcException was made of, else "Internal
   * server error". The message is acknowledged then, unless the handler's own `@Ack` says what else becomes of it. Default
   * false.
   */
  reply?: boolean | undefined;
  /** Name of the connection. Default `default`. */
  connection?: string | undefined;
  /** Consumed only where the module's `roles` name it, or name none: one code base as API and as worker. Default: always. */
  role?: string | undefined;
  /** What ConsumerRegistry calls it. Default: `Class.method`. */
  name?: string | undefined;
  /** False: it does not consume until `ConsumerRegistry.start`; what it needs is declared all the same. Default true. */
  autoStart?: boolean | undefined;
  /** Milliseconds a handler may take; then HandlerTimeoutError, settled by policy. Default: without limit. */
  timeout?: number | undefined;
  /** False: the queue is taken as it is, which must be there at start; nothing is declared or bound. Default true. */
  declare?: boolean | undefined;
  /** False: `<queue>.parked` is not declared. Default true. */
  parking?: boolean | undefined;
  /** The queue dead-letters by a policy of the broker or the declaration of someone else: no warning at start. */
  assumeDeadLetter?: boolean | undefined;
}

/** Options of which the rest, the queue too, may stand in the module's `consumers` under the same name. */
export interface NamedConsumeOptions extends Omit<ConsumeOptions, 'queue' | 'name'> {
  name: string;
  queue?: string | undefined;
}

/** What the module's `consumers` may say of a consumer. */
export type ConfiguredConsumeOptions = Partial<Omit<ConsumeOptions, 'name' | 'connection'>>;

/** Options that are made at start. */
export interface ConsumeFactory {
  inject?: readonly (InjectionToken | OptionalFactoryDependency)[] | undefined;
  useFactory: (
    ...dependencies: never[]
  ) => ConsumeOptions | NamedConsumeOptions | string | Promise<ConsumeOptions | NamedConsumeOptions | string>;
}

const isRoutingKey: Check = (value) => {
  if (!Array.isArray(value)) return isName(value);
  if (value.length === 0) return 'must not be an empty list';
  return value.map(isName).find((problem) => problem !== undefined);
};

const isDeadLetter: Check = (value) => {
  if (!isRecord(value) || typeof value['exchange'] !== 'string') return 'must be { exchange, routingKey? }';
  return faultsOf(value, { exchange: isName, routingKey: isName })[0];
};

export const queueOptionChecks: Readonly<Record<keyof QueueOptions, Check>> = {
  queueType: isOneOf('classic', 'quorum'),
  durable: isBoolean,
  exclusive: isBoolean,
  autoDelete: isBoolean,
  deadLetter: isDeadLetter,
  arguments: isTable,
};

export const queueOptionNames = ['queueType', 'durable', 'exclusive', 'autoDelete', 'deadLetter', 'arguments'] as const;

const isCount = isWhole(0, 65_535);

const consumeChecks: Readonly<Record<keyof ConsumeOptions, Check>> = {
  queue: isFilledName,
  exchange: isFilledName,
  routingKey: isRoutingKey,
  prefetch: isCount,
  concurrency: isWhole(1, 65_535),
  body: isOneOf('json', 'bytes'),
  reply: isBoolean,
  ordered: isOrdered,
  batch: isBatch,
  autoPause: isAutoPause,
  connection: isFilledName,
  role: isFilledName,
  name: isFilledName,
  autoStart: isBoolean,
  timeout: isMilliseconds,
  declare: isBoolean,
  parking: isBoolean,
  assumeDeadLetter: isBoolean,
  ...queueOptionChecks,
};

/** What stands in contradiction to itself in the declaration of a queue. */
export function queueContradictions(given: Readonly<Record<string, unknown>>): string[] {
  const faults: string[] = [];
  if (given['queueType'] === 'quorum') {
    if (given['durable'] === false) faults.push('a quorum queue is always durable');
    if (given['exclusive'] === true) faults.push('a quorum queue cannot be exclusive');
    if (given['autoDelete'] === true) faults.push('a quorum queue cannot be autoDelete');
  }
  const table = given['arguments'];
  if (isRecord(table)) {
    if (given['queueType'] !== undefined && table['x-queue-type'] !== undefined) {
      faults.push('queueType and the argument x-queue-type say the same: give one of the two');
    }
    if (given['deadLetter'] !== undefined && table['x-dead-letter-exchange'] !== undefined) {
      faults.push('deadLetter and the argument x-dead-letter-exchange say the same: give one of the two');
    }
  }
  return faults;
}

/** Every fault of the options of one `@Consume`. `isComplete`: the module's `consumers` add nothing to them. */
export function consumeFaults(given: unknown, isComplete = isRecord(given) && given['name'] === undefined): string[] {
  const faults = faultsOf(given, consumeChecks);
  if (!isRecord(given)) return faults;
  if (isComplete && given['queue'] === undefined) faults.push('option "queue" is missing');
  if (
    isComplete &&
    given['routingKey'] !== undefined &&
    given['exchange'] === undefined &&
    given['declare'] !== false
  ) {
    faults.push('option "routingKey" needs an exchange to bind to');
  }
  if (given['declare'] === false) {
    const names = ['exchange', 'durable', 'exclusive', 'autoDelete', 'deadLetter', 'arguments'];
    const idle = names.filter((name) => given[name] !== undefined);
    if (idle.length > 0) faults.push(`declare: false takes the queue as it is, so ${idle.join(', ')} has no effect`);
  }
  return [...faults, ...queueContradictions(given), ...batchContradictions(given)];
}

/** Every fault of what the module's `consumers` say of one. */
export function configuredConsumeFaults(given: unknown, prefix: string): string[] {
  const { name: _name, connection: _connection, ...checks } = consumeChecks;
  return faultsOf(given, checks, prefix);
}

export function isConsumeFactory(given: unknown): given is ConsumeFactory {
  return isRecord(given) && Object.hasOwn(given, 'useFactory');
}

/** Every fault of `{ inject, useFactory }`. */
export function consumeFactoryFaults(given: ConsumeFactory): string[] {
  return faultsOf(given, { inject: isList, useFactory: isFunction });
}
