/**
 * What is to be declared and consumed for each handler, worked out before anything is sent: contradictions between
 * handlers, or with the module's own queues, end the start here.
 */
import { isDeepStrictEqual } from 'node:util';
import type { FieldTable } from '../../amqp/index.js';
import type { QueueOptions } from '../decorators/consume-options.js';
import { ConfigurationError } from '../errors.js';
import { defaultConnection, moduleName, type QueueDefinition } from '../module/amqp-options.js';
import type { AmqpConnections } from '../module/connections.js';
import type { NamedConnection } from '../module/named-connection.js';
import type { QueueWish } from '../wishes.js';
import type { HandlerDefinition } from './handler-definition.js';
import { parkingQueue } from './parking.js';
import { resolvePolicy, type SettlementPolicy } from './policy.js';

const defaultPrefetch = 20;

export interface ConsumerPlan {
  /** For ConsumerRegistry. */
  readonly name: string;
  /** False: it waits for `ConsumerRegistry.start`. */
  readonly isAutoStarted: boolean;
  readonly handler: HandlerDefinition;
  readonly connection: NamedConnection;
  /** The queue's name. */
  readonly queue: string;
  /** How it is declared; undefined: it is taken as it is. */
  readonly declared: QueueWish | undefined;
  readonly exchange: string | undefined;
  readonly routingKeys: readonly string[];
  /** undefined: it is not declared. */
  readonly parkingQueue: QueueWish | undefined;
  readonly policy: SettlementPolicy;
  /** 0: without limit. */
  readonly prefetch: number;
  /** Infinity: without limit. */
  readonly concurrency: number;
  /** Milliseconds; undefined: without limit. */
  readonly timeout: number | undefined;
}

/**
 * Without those whose role this process has not. Throws ConfigurationError naming both sides of a contradiction, or
 * UnknownConnectionError.
 */
export function planConsumers(handlers: readonly HandlerDefinition[], connections: AmqpConnections): ConsumerPlan[] {
  const plans = new Map<string, ConsumerPlan>();
  for (const handler of handlers.filter((one) => hasRole(one, connections))) {
    const plan = planConsumer(handler, connections);
    const key = JSON.stringify([plan.connection.name, plan.queue]);
    const other = plans.get(key);
    if (other) throw new ConfigurationError(handler.name, overlap(other, plan));
    plans.set(key, plan);
  }
  checkNames([...plans.values()]);
  return [...plans.values()];
}

/** A name that was given means one consumer. */
function checkNames(plans: readonly ConsumerPlan[]): void {
  for (const [index, plan] of plans.entries()) {
    if (plan.handler.options.name === undefined) continue;
    const other = plans.find(
      (one, place) => place !== index && (one.name === plan.name || one.handler.name === plan.name),
    );
    if (!other) continue;
    throw new ConfigurationError(
      plan.handler.name,
      `the consumer's name "${plan.name}" is that of ${other.handler.name} (queue "${other.queue}") too`,
    );
  }
}

/** Whether this process is to consume for the handler. */
export function hasRole({ name, options }: HandlerDefinition, connections: AmqpConnections): boolean {
  const { roles } = connections.get(options.connection ?? defaultConnection, name).options;
  return options.role === undefined || roles === undefined || roles.includes(options.role);
}

function overlap(first: ConsumerPlan, second: ConsumerPlan): string {
  const { name } = first.handler;
  const queue = `the queue "${second.queue}" of connection "${second.connection.name}"`;
  if (first.handler.name === second.handler.name) {
    return first.handler.wrapper === second.handler.wrapper
      ? `two @Consume for ${queue} on ${name}; give one of them a list of routing keys`
      : `${queue} is consumed twice by ${name}: its class is a provider of two modules; export it from one`;
  }
  const isSame = isDeepStrictEqual(first.declared, second.declared);
  const difference = isSame ? '' : ', and they declare it with different arguments';
  return `${queue} is consumed by ${name} too${difference}; each message would reach only one of the two`;
}

function planConsumer(handler: HandlerDefinition, connections: AmqpConnections): ConsumerPlan {
  const { options } = handler;
  const connection = connections.get(options.connection ?? defaultConnection, handler.name);
  const defaults = connection.options.defaults ?? {};
  const concurrency = options.concurrency ?? defaults.concurrency ?? Infinity;
  const prefetch = options.prefetch ?? defaults.prefetch ?? defaultPrefetch;
  const routingKey = options.routingKey ?? '';
  const isParked = options.parking !== false;
  const shared = connection.topologies.flatMap(({ queues = [] }) => queues).find(({ name }) => name === options.queue);
  const queue = mergeQueue(handler, shared, connection.name);
  return {
    name: options.name ?? handler.name,
    isAutoStarted: options.autoStart ?? true,
    handler,
    connection,
    queue: options.queue,
    declared: options.declare === false ? undefined : planQueue(options.queue, queue, isParked),
    exchange: options.exchange,
    routingKeys: typeof routingKey === 'string' ? [routingKey] : routingKey,
    parkingQueue: isParked ? planParkingQueue(options.queue, isQuorum(queue)) : undefined,
    policy: resolvePolicy(handler.ack, defaults.ack ?? {}, handler.isByHand),
    prefetch: prefetch === 0 || concurrency === Infinity ? prefetch : Math.max(prefetch, concurrency),
    concurrency,
    timeout: options.timeout,
  };
}

/** The module's word on a queue together with the decorator's. Throws ConfigurationError where they differ. */
function mergeQueue(handler: HandlerDefinition, shared: QueueDefinition | undefined, connection: string): QueueOptions {
  const { options } = handler;
  if (!shared) return options;
  const names = ['queueType', 'durable', 'exclusive', 'autoDelete', 'deadLetter', 'arguments'] as const;
  const differing = names.filter(
    (name) =>
      options[name] !== undefined && shared[name] !== undefined && !isDeepStrictEqual(options[name], shared[name]),
  );
  if (differing.length > 0) {
    const where = moduleName(connection);
    throw new ConfigurationError(
      handler.name,
      `the queue "${options.queue}" is declared by ${where} too, with a different ${differing.join(', ')}`,
    );
  }
  return Object.fromEntries(names.map((name) => [name, options[name] ?? shared[name]]));
}

function isQuorum(queue: QueueOptions): boolean {
  return queue.queueType === 'quorum' || queue.arguments?.['x-queue-type'] === 'quorum';
}

/**
 * A queue as it goes over the wire. A quorum queue counts lost connections as deliveries and drops a message past its
 * limit (20, from RabbitMQ 4.0), so ours dead-letter to their parking queue unless told otherwise.
 */
export function planQueue(name: string, queue: QueueOptions, isParked: boolean): QueueWish {
  const { queueType, deadLetter, durable = true, exclusive = false, autoDelete = false } = queue;
  const table: FieldTable = { ...queue.arguments };
  if (queueType !== undefined && queueType !== 'classic') table['x-queue-type'] = queueType;
  if (deadLetter) {
    table['x-dead-letter-exchange'] = deadLetter.exchange;
    if (deadLetter.routingKey !== undefined) table['x-dead-letter-routing-key'] = deadLetter.routingKey;
  } else if (isQuorum(queue) && isParked && table['x-dead-letter-exchange'] === undefined) {
    table['x-dead-letter-exchange'] = '';
    table['x-dead-letter-routing-key'] = parkingQueue(name);
  }
  return { name, durable, exclusive, autoDelete, arguments: table };
}

function planParkingQueue(queue: string, isQuorumQueue: boolean): QueueWish {
  return {
    name: parkingQueue(queue),
    durable: true,
    exclusive: false,
    autoDelete: false,
    arguments: isQuorumQueue ? { 'x-queue-type': 'quorum' } : {},
  };
}

/** Who is left out by role, and roles that nobody has: of a typing error nothing else would tell. */
export function roleLines(
  handlers: readonly HandlerDefinition[],
  connections: AmqpConnections,
): { readonly logs: readonly string[]; readonly warnings: readonly string[] } {
  const logs = handlers
    .filter((handler) => !hasRole(handler, connections))
    .map(({ name, options }) => `${name} does not consume here: "${options.role ?? ''}" is no role of this process`);
  const known = new Set(handlers.map(({ options }) => options.role));
  const named = new Set(connections.all().flatMap(({ options }) => options.roles ?? []));
  const unknown = [...named].filter((role) => !known.has(role));
  const warnings = unknown.map((role) => `the role "${role}" is given, but no @Consume has it`);
  return { logs, warnings };
}

/** What an operator should know before the first message comes. */
export function planWarnings(plans: readonly ConsumerPlan[]): string[] {
  const warnings: string[] = [];
  const retrying = plans.filter(({ policy }) => policy.asksForRetry).map(({ handler }) => handler.name);
  if (retrying.length > 0) {
    const names = [...new Set(retrying)].join(', ');
    warnings.push(`@Ack retry is not done yet: a failed message goes straight to "then" (${names})`);
  }
  for (const { handler, policy, declared, queue, parkingQueue: parking } of plans) {
    const outcomes = new Set([policy.then, ...policy.errors.map(({ then }) => then)]);
    const hasDeadLetter = declared?.arguments['x-dead-letter-exchange'] !== undefined;
    if (outcomes.has('dead-letter') && !hasDeadLetter && handler.options.assumeDeadLetter !== true) {
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
  return warnings;
}
