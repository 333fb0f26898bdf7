/**
 * The options of AmqpServer and AmqpClient: those of the connection, and those of the transport under the names that
 * Nest's own RabbitMQ transport gives them. One object may serve both sides; each reads what concerns it.
 */
import type {
  ConsumerDeserializer,
  ConsumerSerializer,
  ProducerDeserializer,
  ProducerSerializer,
} from '@nestjs/microservices';
import type { ConnectionParameters, FieldTable } from '../../amqp/index.js';
import { ackPolicyFaults, type AckPolicy } from '../decorators/ack-policy.js';
import { ConfigurationError } from '../errors.js';
import { isAutoPause, type AutoPauseOptions } from '../flow/auto-pause-options.js';
import { isConsumerTimeout } from '../flow/broker-limit.js';
import { isOrdered, type OrderedOptions } from '../flow/ordering.js';
import { readingFormatChecks, type ReadingFormatOptions } from '../formats/format-options.js';
import { isLayout, type MessageLayout } from '../formats/message-layout.js';
import { startChecks, type ConflictChoice, type StartChoice } from '../starting/start-options.js';
import {
  faultsOf,
  isBoolean,
  isFilledName,
  isMilliseconds,
  isName,
  isRecord,
  isTable,
  isWhole,
  type Check,
} from '../option-checks.js';
import { fromSocketOptions, fromUrls, type NestEndpoint, type NestSocketOptions } from './nest-connection.js';

/** `queueOptions`, by amqplib's names; what is not given is not sent. */
export interface TransportQueueOptions {
  /** Default true. */
  durable?: boolean | undefined;
  exclusive?: boolean | undefined;
  autoDelete?: boolean | undefined;
  arguments?: FieldTable | undefined;
  /** `x-message-ttl`, milliseconds. */
  messageTtl?: number | undefined;
  /** `x-expires`, milliseconds. */
  expires?: number | undefined;
  deadLetterExchange?: string | undefined;
  deadLetterRoutingKey?: string | undefined;
  maxLength?: number | undefined;
  maxPriority?: number | undefined;
  overflow?: string | undefined;
  queueMode?: string | undefined;
  /** As the option of that name beside `queueOptions`. */
  noAssert?: boolean | undefined;
}

export interface AmqpTransportOptions extends ConnectionParameters, ReadingFormatOptions {
  /** As `url`, and objects by amqplib's names. */
  urls?: string | readonly (string | NestEndpoint)[] | undefined;
  socketOptions?: NestSocketOptions | undefined;
  /** The queue that is consumed, or sent to. Default: '', which for a server is one that the broker names. */
  queue?: string | undefined;
  /** How the queue is declared: exactly as given, so that it fits one that Nest's own transport declared. */
  queueOptions?: TransportQueueOptions | undefined;
  /** True: the queue is taken as it is. Default: false for AmqpServer; true for AmqpClient, which declares nothing. */
  noAssert?: boolean | undefined;
  /** An exchange to bind the queue to, or to publish to. Default with `wildcards`: named as the queue. */
  exchange?: string | undefined;
  /** Default `topic`. */
  exchangeType?: string | undefined;
  exchangeArguments?: FieldTable | undefined;
  /** Binds the queue to the exchange with this key. */
  routingKey?: string | undefined;
  /** Patterns are routing keys of the exchange; `*` stands for one word and `#` for any number. Default false. */
  wildcards?: boolean | undefined;
  /** Milliseconds to wait for the broker at the start, over all endpoints. Default 30 000; a wrong password fails at once. */
  startTimeout?: number | undefined;
  /** Rounds over the endpoints at the start; -1: without limit. Default: as `startTimeout` allows. */
  maxConnectionAttempts?: number | undefined;
  /** Client: replies are taken without acknowledgement from a named `replyQueue`. Server: see AmqpServerOptions. */
  noAck?: boolean | undefined;
  /** Server only. Unsettled deliveries at a time; 0 is without limit. Default 20. */
  prefetch?: number | undefined;
  /** As `prefetch`. */
  prefetchCount?: number | undefined;
  /** Server only. The prefetch counts for the channel as a whole. Default false. */
  isGlobalPrefetchCount?: boolean | undefined;
  /** Server only. Default: one of ours. */
  consumerTag?: string | undefined;
  /** Server only. Milliseconds that `close()` waits for running handlers before it gives their messages back. Default 10 000. */
  drainTimeout?: number | undefined;
  /** Client only. Messages survive a restart of the broker. Default true. */
  persistent?: boolean | undefined;
  /** Client only. `amq.rabbitmq.reply-to` (the default), '' for an exclusive queue, or a queue that is there. */
  replyQueue?: string | undefined;
  /** Client only. Headers of every message. */
  headers?: FieldTable | undefined;
  /** Client only. Milliseconds that `request()` waits for its reply. Default 30 000. */
  requestTimeout?: number | undefined;
  /** Client only. Chooses among `formats` how packets are written. Default `application/json`. */
  contentType?: string | undefined;
  /** Server only. Where pattern and payload stand. Default: the packet's `pattern` and `data`, where Nest puts them. */
  layout?: MessageLayout | undefined;
}

export interface AmqpServerOptions extends AmqpTransportOptions {
  /** What ConsumerRegistry calls it. Default: `AmqpServer <queue>`. */
  name?: string | undefined;
  /** Deliveries whose handlers run at a time. Default: as many as are delivered. */
  concurrency?: number | undefined;
  /** As `ordered` of `@Consume`: messages of one key one after the other. Default: in no order, unless `concurrency: 1`. */
  ordered?: OrderedOptions | undefined;
  /** As `autoPause` of `@Consume`: pauses by itself after failures in a row, or while a probe says no. Default: never. */
  autoPause?: AutoPauseOptions | undefined;
  /**
   * Milliseconds that the handlers of a message may take; then HandlerTimeoutError, settled by policy, and the error for who
   * asked. Default: without limit.
   */
  timeout?: number | undefined;
  /** As `consumerTimeout` of the module: milliseconds for which the broker lets a message be unsettled. Default 1 800 000. */
  consumerTimeout?: number | false | undefined;
  /** What `listen` does about a broker that is not there: as `start` of the module. Default `wait`. */
  start?: StartChoice | undefined;
  /** What becomes of it where the queue or exchange is there otherwise: as `conflicts` of the module. Default `fail`. */
  conflicts?: ConflictChoice | undefined;
  /** How events are settled whose handler has no `@Ack`. Default `{ when: 'after', then: 'park' }`. */
  ack?: AckPolicy | undefined;
  /** Packs replies. Default: JSON as Nest's own. */
  serializer?: ConsumerSerializer | undefined;
  /** Reads requests and events. Default: JSON as Nest's own. */
  deserializer?: ConsumerDeserializer | undefined;
}

export interface AmqpClientOptions extends AmqpTransportOptions {
  /** Packs requests and events. Default: JSON as Nest's own. */
  serializer?: ProducerSerializer | undefined;
  /** Reads replies. Default: JSON as Nest's own. */
  deserializer?: ProducerDeserializer | undefined;
}

/** What both sides share once read. */
export interface ResolvedTransport {
  /** For the log: `AmqpServer orders`. */
  readonly name: string;
  readonly connection: ConnectionParameters;
  readonly startTimeout: number;
  readonly queue: string;
  readonly queueOptions: TransportQueueOptions;
  /** Undefined: each side has its own default. */
  readonly noAssert: boolean | undefined;
  /** Undefined: queues are spoken to directly. */
  readonly exchange: string | undefined;
  readonly exchangeType: string;
  readonly exchangeArguments: FieldTable;
  readonly routingKey: string | undefined;
  readonly hasWildcards: boolean;
}

const queueChecks: Readonly<Record<keyof TransportQueueOptions, Check>> = {
  durable: isBoolean,
  exclusive: isBoolean,
  autoDelete: isBoolean,
  arguments: isTable,
  messageTtl: isNumber,
  expires: isNumber,
  deadLetterExchange: isName,
  deadLetterRoutingKey: isName,
  maxLength: isNumber,
  maxPriority: isNumber,
  overflow: isName,
  queueMode: isName,
  noAssert: isBoolean,
};

const isCount = isWhole(0, 65_535);

const transportChecks: Record<
  Exclude<keyof AmqpServerOptions | keyof AmqpClientOptions, keyof ConnectionParameters>,
  Check
> = {
  urls: isUrls,
  socketOptions: isTable,
  queue: isName,
  queueOptions: isTable,
  noAssert: isBoolean,
  exchange: isName,
  exchangeType: isName,
  exchangeArguments: isTable,
  routingKey: isName,
  wildcards: isBoolean,
  maxConnectionAttempts: isWhole(-1, Number.MAX_SAFE_INTEGER),
  noAck: isBoolean,
  name: isFilledName,
  concurrency: isWhole(1, 65_535),
  ordered: isOrdered,
  autoPause: isAutoPause,
  timeout: isMilliseconds,
  consumerTimeout: isConsumerTimeout,
  ...startChecks,
  ack: (value) => ackPolicyFaults(value)[0],
  prefetch: isCount,
  prefetchCount: isCount,
  isGlobalPrefetchCount: isBoolean,
  consumerTag: isName,
  drainTimeout: isMilliseconds,
  persistent: isBoolean,
  replyQueue: isName,
  headers: isTable,
  requestTimeout: isMilliseconds,
  ...readingFormatChecks,
  contentType: isFilledName,
  layout: isLayout,
  serializer: hasMethod('serialize'),
  deserializer: hasMethod('deserialize'),
};

/** Checked by the client when it connects. */
const connectionChecks: Record<keyof ConnectionParameters, Check> = {
  url: isAnything,
  endpoints: isAnything,
  host: isAnything,
  port: isAnything,
  virtualHost: isAnything,
  username: isAnything,
  password: isAnything,
  tls: isAnything,
  order: isAnything,
  plaintext: isAnything,
  credentials: isAnything,
  heartbeat: isAnything,
  channelMax: isAnything,
  frameMax: isAnything,
  maxHeaderSize: isAnything,
  maxMessageSize: isAnything,
  connectTimeout: isAnything,
  tlsTimeout: isAnything,
  handshakeTimeout: isAnything,
  bringUpTimeout: isAnything,
  methodTimeout: isAnything,
  blockedTimeout: isAnything,
  closeTimeout: isAnything,
  attempts: isAnything,
  retryDelay: isAnything,
  signal: isAnything,
  connectionName: isAnything,
  clientProperties: isAnything,
  locale: isAnything,
  tcp: isAnything,
  transport: isAnything,
  ioThread: isAnything,
  recovery: isAnything,
  publishBuffer: isAnything,
  maxUnconfirmed: isAnything,
  joinAcks: isAnything,
};

/** Reads the options of `owner`. Throws ConfigurationError with every fault; the connection's own are told by connect. */
export function resolveTransport(
  options: AmqpServerOptions | AmqpClientOptions,
  owner: 'AmqpServer' | 'AmqpClient',
): ResolvedTransport {
  const faults = faultsOf(options, { ...transportChecks, ...connectionChecks });
  if (isRecord(options.queueOptions)) faults.push(...faultsOf(options.queueOptions, queueChecks, 'queueOptions.'));
  if (faults.length > 0) throw new ConfigurationError(owner, faults.join('; '));
  const { queue = '', queueOptions = {}, wildcards = false, exchangeType = 'topic' } = options;
  const name = `${owner} ${queue === '' ? (options.exchange ?? '') : queue}`.trim();
  const connection = connectionOf(options, name, faults);
  const isRouted =
    owner === 'AmqpServer' ? Boolean(options.exchange) || wildcards : wildcards || exchangeType === 'fanout';
  const exchange = options.exchange !== undefined && options.exchange !== '' ? options.exchange : queue;
  if (isRouted && exchange === '') faults.push('exchange: is needed where there is no queue to name it after');
  if (owner === 'AmqpClient' && !isRouted && queue === '') faults.push('queue: is needed to send to');
  if (faults.length > 0) throw new ConfigurationError(owner, faults.join('; '));
  const attempts = options.maxConnectionAttempts;
  return {
    name,
    connection:
      attempts === undefined || attempts < 0 ? connection : { ...connection, attempts: Math.max(1, attempts) },
    startTimeout: options.startTimeout ?? (attempts === undefined ? 30_000 : Infinity),
    queue,
    queueOptions,
    noAssert: options.noAssert ?? queueOptions.noAssert,
    exchange: isRouted ? exchange : undefined,
    exchangeType,
    exchangeArguments: options.exchangeArguments ?? {},
    routingKey: options.routingKey,
    hasWildcards: wildcards,
  };
}

function connectionOf(options: AmqpTransportOptions, connectionName: string, faults: string[]): ConnectionParameters {
  const given = Object.fromEntries(
    Object.entries(options).filter(([name, value]) => Object.hasOwn(connectionChecks, name) && value !== undefined),
  ) as ConnectionParameters;
  if (options.urls !== undefined && (given.url !== undefined || given.endpoints !== undefined)) {
    faults.push('urls, url, endpoints: give one of them');
  }
  const known = {
    connectionName,
    ...(options.urls === undefined ? {} : fromUrls(options.urls, faults)),
    ...(options.socketOptions === undefined ? {} : fromSocketOptions(options.socketOptions, faults)),
  };
  return { ...known, ...given };
}

/** What it may be the broker says. */
function isNumber(value: unknown): string | undefined {
  return typeof value === 'number' ? undefined : 'must be a number';
}

function isAnything(): undefined {
  return undefined;
}

function isUrls(value: unknown): string | undefined {
  const isEntry = (entry: unknown): boolean => typeof entry === 'string' || isRecord(entry);
  return typeof value === 'string' || (Array.isArray(value) && value.length > 0 && value.every(isEntry))
    ? undefined
    : 'must be an AMQP URI or a list of them';
}

function hasMethod(name: string): Check {
  return (value) =>
    typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[name] === 'function'
      ? undefined
      : `must be an object with a method ${name}`;
}
