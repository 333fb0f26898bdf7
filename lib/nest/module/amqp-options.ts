/** What an AmqpModule is configured with, and its check. Connection parameters are checked by the client itself. */
import type { ConnectionParameters, FieldTable } from '../../amqp/index.js';
import { ackPolicyFaults, type AckPolicy } from '../decorators/ack-policy.js';
import {
  configuredConsumeFaults,
  queueContradictions,
  queueOptionChecks,
  type ConfiguredConsumeOptions,
  type QueueOptions,
} from '../decorators/consume-options.js';
import { ConfigurationError } from '../errors.js';
import {
  faultsOf,
  isBoolean,
  isFilledName,
  isList,
  isMilliseconds,
  isName,
  isRecord,
  isTable,
  isWhole,
  type Check,
} from '../option-checks.js';
import { isConsumerTimeout } from '../flow/broker-limit.js';
import { startChecks, type ConflictChoice, type StartChoice } from '../starting/start-options.js';

export interface ExchangeDefinition {
  name: string;
  /** `direct`, `fanout`, `topic`, `headers`, or the type of a plugin. */
  type: string;
  /** Survives a restart of the broker. Default true. */
  durable?: boolean | undefined;
  /** Deleted when its last binding goes. Default false. */
  autoDelete?: boolean | undefined;
  /** Takes no publishes, only bindings. Default false. */
  internal?: boolean | undefined;
  /** For instance `alternate-exchange`. */
  arguments?: FieldTable | undefined;
}

export interface QueueDefinition extends QueueOptions {
  name: string;
}

/** From an exchange to a queue, or to another exchange. */
export interface BindingDefinition {
  exchange: string;
  /** The queue that is bound; give this or `toExchange`. */
  queue?: string | undefined;
  toExchange?: string | undefined;
  /** Default `''`. */
  routingKey?: string | undefined;
  /** For a headers exchange. */
  arguments?: FieldTable | undefined;
}

/** What is declared at start beside what handlers need. */
export interface TopologyDefinitions {
  exchanges?: readonly ExchangeDefinition[] | undefined;
  /** The queues of `@Consume` declare themselves. */
  queues?: readonly QueueDefinition[] | undefined;
  bindings?: readonly BindingDefinition[] | undefined;
}

/** What `AmqpModule.forFeature` takes: the exchanges, queues and bindings of a feature module. */
export interface AmqpFeatureOptions extends TopologyDefinitions {
  /** Name of the connection. Default `default`. */
  connection?: string | undefined;
}

/** What holds for all consumers of the connection that do not say otherwise. */
export interface ConsumerDefaults {
  /** Unsettled deliveries of a consumer at a time. Default 20. */
  prefetch?: number | undefined;
  /** Handlers of a consumer that run at a time. Default: as many as are delivered. */
  concurrency?: number | undefined;
  /** Default `{ when: 'after', then: 'park' }`. */
  ack?: AckPolicy | undefined;
  /** Milliseconds that running handlers are given when the application closes. Default 10 000. */
  drainTimeout?: number | undefined;
}

/** The connection parameters of the client, and what the application has on this connection. */
export interface AmqpModuleOptions extends ConnectionParameters, TopologyDefinitions {
  defaults?: ConsumerDefaults | undefined;
  /**
   * False: the application's global guards, pipes, interceptors and filters, which may know of HTTP alone, do not run on the
   * handlers of this connection; those of class and method do. Default true.
   */
  globalEnhancers?: boolean | undefined;
  /**
   * What is said of consumers by their `name`, over what their `@Consume` says: `{ orders: { queue: 'orders.eu', prefetch: 5 } }`
   * for `@Consume({ name: 'orders' })`. A name that no `@Consume` has is warned of.
   */
  consumers?: Readonly<Record<string, ConfiguredConsumeOptions>> | undefined;
  /**
   * Roles of this process: of the handlers with a `role` only these are consumed, and nothing is declared for the others.
   * An empty list: none of them. Default: all.
   */
  roles?: readonly string[] | undefined;
  /**
   * Milliseconds for which the broker lets a message be unsettled (its `consumer_timeout`); false: without limit. Shortly before
   * them a message whose handler still runs is settled as failed, with a HandlerTimeoutError, since the broker would close the
   * channel; after half of them the log has a warning, and messages that wait for their turn go back. The argument
   * `x-consumer-timeout` of a queue that is declared here goes first. Default 1 800 000, as RabbitMQ's own; without limit for
   * classic queues that are declared here, where the broker is 4.3 or newer, which has none for them.
   */
  consumerTimeout?: number | false | undefined;
  /**
   * What the start does about a broker that is not there, or refuses something:
   *
   * - `wait` (default): it waits for the broker, at most `startTimeout`, and fails with the cause.
   * - `fail`: it tries each endpoint once, and fails with the cause.
   * - `background`: it goes on without. Connecting, declaring and consuming are tried again, ever more slowly (1 to 30
   *   seconds), until they work; each new cause is logged once. Publishes wait as they do while a connection is away
   *   (`publishBuffer`). Parameters that are wrong end the start all the same.
   */
  start?: StartChoice | undefined;
  /**
   * What becomes of the start where an exchange or a queue is on the broker otherwise than declared; each difference is
   * told, argument by argument. Nothing on the broker is changed or deleted. Parking queues are always used as they are.
   *
   * - `fail` (default): it fails with a TopologyConflictError, and nothing was declared. (With `start: 'background'` that
   *   is logged, and tried again.)
   * - `use`: it warns, and takes what is there as it is.
   * - `wait`: it warns, and waits until somebody mended it, at most `startTimeout`; in the background without end.
   */
  conflicts?: ConflictChoice | undefined;
  /**
   * Milliseconds that the start waits for the broker, over all endpoints and attempts; then it fails with the cause. A
   * wrong password fails at once. Default 30 000.
   */
  startTimeout?: number | undefined;
}

/** Beside the options, and beside `useFactory` in `forRootAsync`. */
export interface AmqpModuleExtras {
  /** Name of the connection, which decorators refer to. Default `default`. */
  name?: string | undefined;
  /** True: publishers and services can be injected in every module. Default true. */
  isGlobal?: boolean | undefined;
}

const exchangeChecks: Readonly<Record<keyof ExchangeDefinition, Check>> = {
  name: isFilledName,
  type: isFilledName,
  durable: isBoolean,
  autoDelete: isBoolean,
  internal: isBoolean,
  arguments: isTable,
};

const queueChecks: Readonly<Record<keyof QueueDefinition, Check>> = { name: isFilledName, ...queueOptionChecks };

const bindingChecks: Readonly<Record<keyof BindingDefinition, Check>> = {
  exchange: isFilledName,
  queue: isFilledName,
  toExchange: isFilledName,
  routingKey: isName,
  arguments: isTable,
};

const defaultsChecks: Readonly<Record<keyof ConsumerDefaults, Check>> = {
  prefetch: isWhole(0, 65_535),
  concurrency: isWhole(1, 65_535),
  ack: (value) => ackPolicyFaults(value)[0],
  drainTimeout: isMilliseconds,
};

export const defaultConnection = 'default';

/** The name under which errors speak of a connection's module. */
export function moduleName(connection: string): string {
  return `AmqpModule (connection "${connection}")`;
}

/** Throws ConfigurationError with all faults that do not concern the connection parameters. */
export function checkModuleOptions(connection: string, options: unknown): asserts options is AmqpModuleOptions {
  if (!isRecord(options)) throw new ConfigurationError(moduleName(connection), 'the options must be an object');
  const faults = topologyFaults(options);
  if (options['defaults'] !== undefined) faults.push(...faultsOf(options['defaults'], defaultsChecks, 'defaults.'));
  for (const [name, check] of Object.entries({
    ...startChecks,
    globalEnhancers: isBoolean,
    consumerTimeout: isConsumerTimeout,
  })) {
    const problem = options[name] === undefined ? undefined : check(options[name]);
    if (problem !== undefined) faults.push(`option "${name}" ${problem}`);
  }
  if (options['roles'] !== undefined) {
    const roles: unknown = options['roles'];
    const problem = isList(roles) ?? (roles as unknown[]).map(isFilledName).find((one) => one !== undefined);
    if (problem !== undefined) faults.push(`option "roles" ${problem}`);
  }
  const consumers: unknown = options['consumers'];
  if (consumers !== undefined) {
    const problem = isTable(consumers);
    if (problem !== undefined) faults.push(`option "consumers" ${problem}`);
    for (const [name, given] of isRecord(consumers) ? Object.entries(consumers) : []) {
      faults.push(...configuredConsumeFaults(given, `consumers.${name}.`));
    }
  }
  for (const name of ['name', 'isGlobal']) {
    if (options[name] !== undefined) faults.push(`option "${name}" stands beside useFactory, not in its result`);
  }
  if (faults.length > 0) throw new ConfigurationError(moduleName(connection), faults.join('; '));
}

/** Throws ConfigurationError. */
export function checkFeatureOptions(options: unknown): asserts options is AmqpFeatureOptions {
  const where = 'AmqpModule.forFeature';
  if (!isRecord(options)) throw new ConfigurationError(where, 'the options must be an object');
  const known: Readonly<Record<keyof AmqpFeatureOptions, Check>> = {
    exchanges: isList,
    queues: isList,
    bindings: isList,
    connection: isFilledName,
  };
  const faults = [...new Set([...faultsOf(options, known), ...topologyFaults(options)])];
  if (faults.length > 0) throw new ConfigurationError(where, faults.join('; '));
}

function topologyFaults(options: Readonly<Record<string, unknown>>): string[] {
  const faults = [
    ...listFaults('exchanges', options['exchanges'], exchangeChecks, ['name', 'type']),
    ...listFaults('queues', options['queues'], queueChecks, ['name']),
    ...listFaults('bindings', options['bindings'], bindingChecks, ['exchange']),
  ];
  for (const queue of listOf(options['queues'])) {
    faults.push(...queueContradictions(queue).map((fault) => `queues "${String(queue['name'])}": ${fault}`));
  }
  for (const binding of listOf(options['bindings'])) {
    if ((binding['queue'] === undefined) === (binding['toExchange'] === undefined)) {
      faults.push('bindings: each needs queue or toExchange');
    }
  }
  return faults;
}

function listOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function listFaults(
  name: string,
  value: unknown,
  checks: Readonly<Record<string, Check>>,
  required: readonly string[],
): string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return [`option "${name}" must be a list`];
  return (value as unknown[]).flatMap((entry, index) => {
    const prefix = `${name}[${String(index)}].`;
    const missing = required.filter((key) => isRecord(entry) && entry[key] === undefined);
    return [...faultsOf(entry, checks, prefix), ...missing.map((key) => `option "${prefix}${key}" is missing`)];
  });
}

const ownOptions: readonly string[] = [
  ...['exchanges', 'queues', 'bindings', 'defaults', 'globalEnhancers', 'consumers', 'roles', 'consumerTimeout'],
  ...Object.keys(startChecks),
];

/** The part of the options that the client takes. */
export function connectionParameters(options: AmqpModuleOptions): ConnectionParameters {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !ownOptions.includes(name)));
}
