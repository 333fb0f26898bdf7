/**
 * What is to be declared and consumed: one consumer for each queue, worked out before anything is sent. Contradictions
 * between handlers, or with the module's own queues, end the start here.
 */
import type { ConsumeOptions } from '../decorators/consume-options.js';
import { ConfigurationError } from '../errors.js';
import { refuseIdempotent } from '../idempotency/refusals.js';
import type { NamedConnection } from '../module/named-connection.js';
import type { AutoPauseOptions } from '../flow/auto-pause-options.js';
import type { BatchOptions } from '../flow/batch-options.js';
import { brokerLimit } from '../flow/broker-limit.js';
import type { OrderedOptions } from '../flow/ordering.js';
import { batchProblem, raisedPrefetch, timeoutWarnings } from '../flow/plan.js';
import { topicMatches } from '../topic-pattern.js';
import type { QueueWish } from '../starting/wishes.js';
import type { ConfiguredHandler } from './configured-handlers.js';
import type { HandlerDefinition } from './handler-definition.js';
import { parkingQueue } from '../retrying/parking.js';
import { resolvePolicy, resolveRequestPolicy, retryDelaysOf, type SettlementPolicy } from './policy.js';
import { totalDelay } from '../retrying/retry-schedule.js';
import { isQuorum, mergeQueue, planParkingQueue, planQueue } from './queue-plan.js';
import { keysOf, mergedOptions, refuseHalves, refuseOverlaps } from './shared-queue.js';

const defaultPrefetch = 20;

/** One handler of a queue. */
export interface HandlerPlan {
  readonly handler: HandlerDefinition;
  readonly options: ConsumeOptions;
  readonly exchange: string | undefined;
  readonly routingKeys: readonly string[];
  readonly policy: SettlementPolicy;
  /** For messages whose sender is told of the error. */
  readonly requestPolicy: SettlementPolicy;
  /** Milliseconds; undefined: without limit. */
  readonly timeout: number | undefined;
}

export interface ConsumerPlan {
  /** For ConsumerRegistry. */
  readonly name: string;
  /** For the log: its handlers. */
  readonly title: string;
  /** False: it waits for `ConsumerRegistry.start`. */
  readonly isAutoStarted: boolean;
  readonly connection: NamedConnection;
  /** The queue's name. */
  readonly queue: string;
  /** How it is declared; undefined: it is taken as it is. */
  readonly declared: QueueWish | undefined;
  /** undefined: it is not declared. */
  readonly parkingQueue: QueueWish | undefined;
  /** 0: without limit. */
  readonly prefetch: number;
  /** Infinity: without limit. */
  readonly concurrency: number;
  /** Undefined: messages are in no order. */
  readonly ordered: OrderedOptions | undefined;
  /** Undefined: one message at a time. */
  readonly batch: BatchOptions | undefined;
  /** Undefined: it never pauses by itself. */
  readonly autoPause: AutoPauseOptions | undefined;
  /** Where there are several, their routing keys tell whose a message is. */
  readonly handlers: readonly HandlerPlan[];
  /** For messages that are nobody's. */
  readonly policy: SettlementPolicy;
  /**
   * What is tried again waits in this process, holding its delivery, and `run` resolves after that: so that none of its key
   * overtakes it; or since its queue goes with its connection, which no message may outlive.
   */
  readonly waitsInMemory: boolean;
}

/** Whose a message with that routing key is; undefined: nobody's. */
export function handlerFor({ handlers }: ConsumerPlan, routingKey: string): HandlerPlan | undefined {
  const [only] = handlers;
  if (handlers.length === 1 && only && !isChosenByKey(only)) return only;
  return handlers.find(({ routingKeys }) => routingKeys.some((pattern) => topicMatches(pattern, routingKey)));
}

/** A queue that is taken as it is may hold more than what its handler wants. */
function isChosenByKey({ options }: HandlerPlan): boolean {
  return options.declare === false && options.routingKey !== undefined;
}

/** Without those whose role this process has not. Throws ConfigurationError naming both sides of a contradiction. */
export function planConsumers(handlers: readonly ConfiguredHandler[]): ConsumerPlan[] {
  const queues = new Map<string, ConfiguredHandler[]>();
  for (const handler of handlers) {
    const key = JSON.stringify([handler.connection.name, handler.options.queue]);
    const others = queues.get(key);
    if (others) others.push(handler);
    else queues.set(key, [handler]);
  }
  const plans = [...queues.values()].map(planConsumer).filter((plan) => plan !== undefined);
  checkNames(plans);
  return plans;
}

function planConsumer(all: readonly ConfiguredHandler[]): ConsumerPlan | undefined {
  const [first, ...others] = all.filter(({ hasRole }) => hasRole);
  if (!first) return undefined;
  const sharing = [first, ...others];
  refuseHalves(sharing, all);
  const options = mergedOptions(first, others);
  refuseOverlaps(sharing);
  const handlers = sharing.map(planHandler);
  const { handler, connection } = first;
  const defaults = connection.options.defaults ?? {};
  const concurrency = options.concurrency ?? defaults.concurrency ?? Infinity;
  const prefetch = options.prefetch ?? defaults.prefetch ?? defaultPrefetch;
  const { batch, ordered, autoPause } = options;
  const raised = raisedPrefetch(prefetch, concurrency, batch);
  const problem =
    batch &&
    batchProblem(
      batch,
      sharing.map((one) => one.handler),
      raised,
    );
  if (problem !== undefined) throw new ConfigurationError(handler.name, problem);
  const isParked = options.parking !== false;
  const shared = connection.topologies.flatMap(({ queues = [] }) => queues).find(({ name }) => name === options.queue);
  const queue = mergeQueue(handler.name, options, shared, connection.name);
  return {
    name: options.name ?? handler.name,
    title: [...new Set(sharing.map((one) => one.handler.name))].join(', '),
    isAutoStarted: options.autoStart ?? true,
    connection,
    queue: options.queue,
    declared: options.declare === false ? undefined : planQueue(options.queue, queue, isParked),
    parkingQueue: isParked ? planParkingQueue(options.queue, isQuorum(queue)) : undefined,
    prefetch: raised,
    concurrency,
    ordered,
    batch,
    autoPause,
    handlers,
    policy: resolvePolicy({}, defaults.ack ?? {}, false),
    waitsInMemory: ordered?.retries === 'wait' || queue.exclusive === true || queue.autoDelete === true,
  };
}

function planHandler({ handler, options, connection }: ConfiguredHandler): HandlerPlan {
  const shared = connection.options.defaults?.ack ?? {};
  const policy = resolvePolicy(handler.ack, shared, handler.isByHand);
  if (handler.isIdempotent) {
    const { reply, batch } = options;
    refuseIdempotent(handler.name, policy.when, { isReplying: reply === true, isBatched: batch !== undefined });
  }
  return {
    handler,
    options,
    exchange: options.exchange,
    routingKeys: keysOf(options),
    policy,
    requestPolicy: resolveRequestPolicy(handler.ack, handler.isByHand),
    timeout: options.timeout,
  };
}

/** A name that was given means one consumer. */
function checkNames(plans: readonly ConsumerPlan[]): void {
  for (const [index, plan] of plans.entries()) {
    const namer = plan.handlers.find(({ options }) => options.name !== undefined);
    if (!namer) continue;
    const other = plans.find((one, place) => place !== index && namesOf(one).includes(plan.name));
    if (!other) continue;
    throw new ConfigurationError(
      namer.handler.name,
      `the consumer's name "${plan.name}" is that of ${other.title} (queue "${other.queue}") too`,
    );
  }
}

/** Milliseconds that messages of this consumer may wait to be tried again, each once. */
export function delaysOfPlan({ handlers }: ConsumerPlan): number[] {
  const policies = handlers.flatMap(({ policy, requestPolicy, options }) =>
    options.reply === true ? [policy, requestPolicy] : [policy],
  );
  return [...new Set(policies.flatMap(retryDelaysOf))].filter((delay) => delay > 0);
}

/** What ConsumerRegistry finds it by. */
export function namesOf({ name, handlers }: ConsumerPlan): readonly string[] {
  return [...new Set([name, ...handlers.map(({ handler }) => handler.name)])];
}

// --- what an operator should know -----------------------------------------------------------------

/** Before the first message comes. */
export function planWarnings(plans: readonly ConsumerPlan[]): string[] {
  const warnings: string[] = [];
  const handlers = plans.flatMap((plan) => plan.handlers.map((handler) => ({ plan, ...handler })));
  for (const { plan, handler, options, policy } of handlers) {
    const { declared, queue, parkingQueue: parking } = plan;
    const outcomes = new Set([policy.then, policy.refused, ...policy.errors.map(({ then }) => then)]);
    const hasDeadLetter = declared?.arguments['x-dead-letter-exchange'] !== undefined;
    if (outcomes.has('dead-letter') && !hasDeadLetter && options.assumeDeadLetter !== true) {
      warnings.push(
        `${handler.name}: @Ack dead-letters, but we declare no dead-letter exchange for the queue "${queue}": without ` +
          'one the broker drops the message. Give deadLetter, or assumeDeadLetter: true where a policy sets it',
      );
    }
    if (outcomes.has('park') && policy.when !== 'before' && !parking) {
      warnings.push(
        `${handler.name}: failed messages are parked, but parking: false declares no queue ` +
          `"${parkingQueue(queue)}": where it is not there they go back to "${queue}"`,
      );
    }
  }
  const timed = handlers.map(({ plan, handler, timeout, policy }) => ({
    title: handler.name,
    timeout,
    consumerTimeout: consumerTimeoutOf(plan),
    held: plan.waitsInMemory ? totalDelay(policy.retry, consumerTimeoutOf(plan)) : 0,
  }));
  return [...warnings, ...timeoutWarnings(timed)];
}

/** Milliseconds for which the broker lets a message of the queue be unsettled. `version`: the broker's, where it is known. */
export function consumerTimeoutOf({ declared, connection }: ConsumerPlan, version?: unknown): number {
  return brokerLimit({ arguments: declared?.arguments, given: connection.options.consumerTimeout }, version);
}
