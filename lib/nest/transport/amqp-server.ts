/**
 * The transport strategy for Nest microservices: `@MessagePattern` and `@EventPattern` over RabbitMQ, wire-compatible
 * with Nest's own RabbitMQ transport.
 *
 *   idle --listen--> starting --consuming--> listening --close--> idle        starting --failure, close--> idle
 */
import { Logger } from '@nestjs/common';
import {
  Server,
  type BaseRpcContext,
  type CustomTransportStrategy,
  type MessageHandler,
  type Transport,
} from '@nestjs/microservices';
import { WrongStateError, type Channel, type Connection, type ConnectionParameters } from '../../amqp/index.js';
import type { RegisteredConsumer } from '../consuming/consumer-registry.js';
import { hearNestsFilter } from '../consuming/error-notes.js';
import { MessageConsumer } from '../consuming/message-consumer.js';
import { planParkingQueue } from '../consuming/queue-plan.js';
import { transportConsumerKey, type TransportConsumer } from '../consuming/transport-consumer.js';
import { brokerLimit } from '../flow/broker-limit.js';
import { Deadlines } from '../flow/deadlines.js';
import { Lanes } from '../flow/lanes.js';
import { keyReader } from '../flow/ordering.js';
import { timeoutWarnings } from '../flow/plan.js';
import { PlainLine } from '../flow/waiting-line.js';
import { DelayQueues } from '../retrying/delay-queues.js';
import { Parking, parkingQueue } from '../retrying/parking.js';
import { Retries } from '../retrying/retries.js';
import { totalDelay } from '../retrying/retry-schedule.js';
import { connectWithin } from '../starting/connecting.js';
import { untilItWorks } from '../starting/in-background.js';
import { Shared } from '../requests/shared.js';
import { declareWishes } from '../starting/topology.js';
import { serverWishes, transportQueue } from './declaring.js';
import { HandlerPolicies } from './handler-policy.js';
import { HandlerRegistry } from './handler-registry.js';
import { resolveTransport, type AmqpServerOptions, type ResolvedTransport } from './options.js';
import { RecordSerializer } from './packet.js';
import { ServerDelivery, type ServerDeliveryHost } from './server-delivery.js';
import { TransportReader } from './transport-reader.js';
import { reportConnection, TransportListeners, type AmqpStatus, type AmqpTransportEvents } from './status.js';

/** Handlers that name a transport (`@EventPattern('x', AMQP_TRANSPORT)`) are served by AmqpServer with this one. */
export const AMQP_TRANSPORT = Symbol.for('leveret.transport');

const defaultPrefetch = 20;
const defaultDrainTimeout = 10_000;
/** Routes that are remembered, by pattern. */
const mostRoutes = 1_000;

export class AmqpServer
  extends Server<AmqpTransportEvents, AmqpStatus>
  implements CustomTransportStrategy, TransportConsumer
{
  override transportId: Transport | symbol = AMQP_TRANSPORT;
  /** Nest 12 asks: errors of event handlers reach us, and we log them. */
  override readonly propagatesEventHandlerErrors = true;
  /** @internal */
  readonly [transportConsumerKey] = true;
  /** @internal */
  readonly registered: RegisteredConsumer;
  protected override readonly logger = new Logger(AmqpServer.name);
  readonly #options: AmqpServerOptions;
  readonly #transport: ResolvedTransport;
  readonly #registry = new HandlerRegistry();
  readonly #listeners = new TransportListeners();
  readonly #policies: HandlerPolicies;
  readonly #routes = new Map<string, string>();
  /** The channel of replies and parked copies. */
  readonly #outbox = new Shared((onEnd) => this.#openOutbox(onEnd, 'replies'));
  /** That of messages to be tried again: a delay queue that is gone closes it, and harms no reply. */
  readonly #retryOutbox = new Shared((onEnd) => this.#openOutbox(onEnd, 'retries'));
  readonly #delayQueues = new DelayQueues(() => this.unwrap());
  readonly #consumer: MessageConsumer;
  #connectionParameters: ConnectionParameters;
  #drainTimeout: number;
  #connection: Connection | undefined;
  /** The queue, where the broker named it: as it was first. */
  #namedQueue: string | undefined;
  /** Set while it starts or listens. */
  #ending: AbortController | undefined;

  /**
   * `{ url, queue, prefetch, ... }`, and the options of Nest's own RabbitMQ transport by their names.
   * Throws ConfigurationError, which names every unknown or wrong option.
   */
  constructor(options: AmqpServerOptions = {}) {
    super();
    hearNestsFilter();
    this.#options = options;
    this.#transport = resolveTransport(options, 'AmqpServer');
    this.#connectionParameters = this.#transport.connection;
    this.#drainTimeout = options.drainTimeout ?? defaultDrainTimeout;
    this.serializer = options.serializer ?? new RecordSerializer();
    this.initializeDeserializer(options as never);
    this.#policies = new HandlerPolicies(options.ack ?? {});
    this.#consumer = this.#createConsumer();
    this.registered = {
      name: options.name ?? this.#transport.name,
      handlers: [AmqpServer.name],
      connection: this.#connectionParameters.connectionName ?? AmqpServer.name,
      consumer: this.#consumer,
    };
  }

  /** Throws DuplicateHandlerError for a second request handler of one pattern. Event handlers of one pattern all run. */
  override addHandler(
    pattern: unknown,
    callback: MessageHandler,
    isEventHandler = false,
    extras: Record<string, unknown> = {},
  ): void {
    callback.isEventHandler = isEventHandler;
    callback.extras = extras;
    const route = this.normalizePattern(pattern as string);
    this.#registry.add(route, callback, isEventHandler);
    if (!this.messageHandlers.has(route)) this.messageHandlers.set(route, callback);
  }

  /**
   * Connects, declares what Nest's own transport would, and consumes. Waits up to `startTimeout` (30 s) for the broker;
   * the callback is given the cause when it could not start (a wrong password: at once). With `start: 'background'` it is
   * called at once, and all that is tried until it works.
   */
  listen(callback: (error?: unknown) => unknown): void {
    this.#listen().then(
      () => callback(),
      (error: unknown) => callback(error),
    );
  }

  /**
   * Stops consuming, waits up to `drainTimeout` (10 s) for running handlers, gives the messages of the others back to
   * the queue, and closes the connection. Idempotent, never rejects.
   */
  async close(): Promise<void> {
    await this.drain();
    const connection = this.#connection;
    if (!connection) return;
    this.#connection = undefined;
    this.#namedQueue = undefined;
    this.#outbox.forget();
    this.#retryOutbox.forget();
    this.#delayQueues.forgetAll();
    await connection.close();
    this._status$.next('disconnected');
  }

  /** @internal Of `close` what comes before the connection goes: replies can still be sent. */
  async drain(): Promise<void> {
    this.#ending?.abort();
    await this.#consumer.end();
  }

  /** Listens to the connection: `lost`, `reconnecting`, `recovered`, `failed`, `blocked`, `unblocked`, `closed`. */
  on<Name extends keyof AmqpTransportEvents = keyof AmqpTransportEvents>(
    event: Name,
    callback: AmqpTransportEvents[Name],
  ): void {
    this.#listeners.add(event, callback, this.#connection);
  }

  /** The leveret Connection. Throws WrongStateError before `listen` and after `close`. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the shape of Nest's own method
  unwrap<T = Connection>(): T {
    if (!this.#connection) throw new WrongStateError('AmqpServer is not connected: listen first');
    return this.#connection as T;
  }

  /** @internal How it connects. */
  get connectionParameters(): ConnectionParameters {
    return this.#connectionParameters;
  }

  /** @internal Before `listen`: another broker than the options say, for tests. */
  pointAt(parameters: ConnectionParameters): void {
    this.#connectionParameters = parameters;
  }

  /** @internal Before it closes, for tests. `isDefault`: only where the options do not say. */
  limitDrain(milliseconds: number, isDefault: boolean): void {
    this.#drainTimeout = (isDefault ? this.#options.drainTimeout : undefined) ?? milliseconds;
  }

  // --- starting -----------------------------------------------------------------------------------

  async #listen(): Promise<void> {
    if (this.#ending && !this.#ending.signal.aborted) throw new WrongStateError('AmqpServer listens already');
    if (this.#ending) this.#consumer.prepare();
    // What is wrong with a handler is told before a broker is asked.
    for (const [, handler] of this.#registry.all) this.#policies.ofEvent(handler);
    const ending = (this.#ending = new AbortController());
    const consumerTimeout = this.#consumerTimeout();
    const { timeout, ordered } = this.#options;
    const title = this.registered.name;
    const timed = this.#registry.all.map(([pattern, handler]) => {
      const { retry } = this.#policies.ofEvent(handler);
      const held = ordered?.retries === 'wait' ? totalDelay(retry, consumerTimeout) : 0;
      return { title: `${title} ("${pattern}")`, timeout: undefined, consumerTimeout, held };
    });
    const own = { title, timeout, consumerTimeout, held: 0 };
    for (const warning of timeoutWarnings([own, ...timed])) this.logger.warn(warning);
    const start = (): Promise<void> => this.#start(ending);
    if (this.#options.start !== 'background') {
      await start().catch((error: unknown) => {
        ending.abort();
        throw error;
      });
      return;
    }
    const starting = untilItWorks(start, {
      signal: ending.signal,
      logger: this.logger,
      title: this.registered.name,
    });
    // What is wrong without asking a broker is told at once.
    await Promise.race([starting, new Promise((resolve) => setImmediate(resolve))]);
    starting.catch((error: unknown) => {
      this.logger.error(`${this.registered.name} is given up: ${(error as Error).message}`);
    });
  }

  async #start(ending: AbortController): Promise<void> {
    try {
      const connection = await this.#connect(ending.signal);
      this.#connection = connection;
      await this.#declare(connection, ending.signal);
      ending.signal.throwIfAborted();
      reportConnection(connection, this.registered.name, this.logger, (status) => {
        this._status$.next(status === 'connected' ? this.#status() : status);
      });
      this.#listeners.attachTo(connection);
      await this.#consumer.begin();
      this._status$.next(this.#status());
    } catch (error) {
      const connection = this.#connection;
      this.#connection = undefined;
      await connection?.close();
      this._status$.next('disconnected');
      throw error;
    }
  }

  #connect(signal: AbortSignal): Promise<Connection> {
    const { start = 'wait' } = this.#options;
    const parameters = this.#connectionParameters;
    return connectWithin(start === 'wait' ? parameters : { ...parameters, attempts: 1 }, {
      limit: this.#transport.startTimeout,
      signal,
      onWaiting: (cause) => {
        this.logger.warn(`RabbitMQ cannot be reached yet: ${cause.message}. Trying on.`);
        this._status$.next('disconnected');
      },
    });
  }

  async #declare(connection: Connection, signal: AbortSignal): Promise<void> {
    const { start, conflicts = 'fail', noAck = false } = this.#options;
    const { startTimeout, noAssert } = this.#transport;
    if (this.#transport.queue === '') this.#namedQueue = await declareNamedByBroker(connection, this.#transport);
    const { queue } = this.#consumer;
    const isAllowed = await declareWishes(connection, serverWishes(this.#transport, queue, this.#registry.patterns), {
      choice: conflicts,
      limit: start === 'background' ? Infinity : startTimeout,
      signal,
      warn: (message) => this.logger.warn(message),
    });
    // One that may be declared is, when it is first missed.
    if (noAck || (isAllowed && noAssert !== true)) return;
    const channel = await connection.openChannel();
    if (!(await channel.queueExists(parkingQueue(queue)))) {
      this.logger.warn(`There is no queue "${parkingQueue(queue)}": messages that fail cannot be parked.`);
    }
    await channel.close();
  }

  #consumerTimeout(version?: unknown): number {
    const { noAssert } = this.#transport;
    const declared = noAssert === true ? undefined : transportQueue(this.#transport).arguments;
    return brokerLimit({ arguments: declared, given: this.#options.consumerTimeout }, version);
  }

  /** Of a connection that is open. */
  #status(): AmqpStatus {
    return this.#consumer.state === 'consuming' && !this.#consumer.isConsuming ? 'unconsumed' : 'connected';
  }

  // --- consuming ----------------------------------------------------------------------------------

  #createConsumer(): MessageConsumer {
    const { prefetch, prefetchCount, isGlobalPrefetchCount = false, noAck = false, consumerTag } = this.#options;
    const { concurrency = Infinity, ordered, autoPause } = this.#options;
    const drainTimeout = (): number => this.#drainTimeout;
    const limit = prefetch ?? prefetchCount ?? defaultPrefetch;
    const currentQueue = (): string => this.#namedQueue ?? this.#transport.queue;
    const host = this.#deliveryHost();
    return new MessageConsumer({
      logger: this.logger,
      title: AmqpServer.name,
      concurrency,
      get drainTimeout() {
        return drainTimeout();
      },
      isAutoStarted: true,
      autoPause,
      createLine: () => (ordered ? new Lanes(keyReader(ordered, currentQueue)) : new PlainLine()),
      consumerTimeout: () => (noAck ? Infinity : this.#consumerTimeout(this.unwrap().serverProperties['version'])),
      consumeOptions: { noAck, consumerTag, ...(isGlobalPrefetchCount ? {} : { prefetch: limit }) },
      get queue() {
        return currentQueue();
      },
      openChannel: async () => {
        const channel = await this.unwrap().openChannel();
        if (isGlobalPrefetchCount) await channel.basicQos(limit, { global: true });
        return channel;
      },
      createRun: (channel, delivery, onStale) => new ServerDelivery(host, channel, delivery, onStale),
      onTurn: () => this._status$.next(this.#status()),
    });
  }

  #deliveryHost(): ServerDeliveryHost {
    const currentQueue = (): string => this.#consumer.queue;
    const openOutbox = (): Promise<Channel> => this.#outbox.get();
    const { timeout, ordered } = this.#options;
    const isDeclaring = this.#transport.noAssert !== true;
    const { exclusive, autoDelete } = this.#transport.queueOptions;
    return {
      logger: this.logger,
      registry: this.#registry,
      policies: this.#policies,
      failures: {
        logger: this.logger,
        parking: new Parking(openOutbox, isDeclaring ? (queue) => planParkingQueue(queue, false) : undefined),
        // Declared when they are first needed: at its start a server declares what Nest's own would, and no more.
        retries: new Retries(() => this.#retryOutbox.get(), isDeclaring ? this.#delayQueues : undefined),
        waitsInMemory:
          ordered?.retries === 'wait' || this.#transport.queue === '' || exclusive === true || autoDelete === true,
        onHeld: (verdict) => {
          this.#consumer.note(verdict);
        },
      },
      source: this,
      hasWildcards: this.#transport.hasWildcards,
      get queue() {
        return currentQueue();
      },
      timeout,
      deadlines: timeout === undefined ? undefined : new Deadlines(timeout),
      connectionName: this.#connectionParameters.connectionName ?? AmqpServer.name,
      reader: new TransportReader(this.#options),
      layout: this.#options.layout,
      requiresJson: this.#options.deserializer === undefined,
      deserialize: (value, properties) => this.deserializer.deserialize(value, properties),
      serialize: (packet) => this.serializer.serialize(packet as never) as unknown,
      routeOf: (pattern) => this.#routeOf(pattern),
      runBetweenHooks: (context, run) => this.#runBetweenHooks(context, run),
      openOutbox,
    };
  }

  /** Nest's own tries to read each pattern as JSON. Patterns come from outside, so not every one is remembered. */
  #routeOf(pattern: string): string {
    let route = this.#routes.get(pattern);
    if (route === undefined) {
      route = this.getRouteFromPattern(pattern);
      if (this.#routes.size < mostRoutes) this.#routes.set(pattern, route);
    }
    return route;
  }

  async #openOutbox(onEnd: () => void, purpose: string): Promise<Channel> {
    const channel = await this.unwrap().openChannel({ confirm: true });
    return channel.on('closed', onEnd).on('lost', ({ cause }) => {
      this.logger.warn(`The channel of the ${purpose} was closed by RabbitMQ: ${cause.message}. Reopening it.`);
    });
  }

  /** Nest's instrumentation opens a span before a handler and closes it after; its hook calls `run`. */
  #runBetweenHooks(context: BaseRpcContext, run: () => Promise<void>): Promise<void> {
    const { transportId } = this;
    return new Promise((resolve, reject) => {
      const refuse: (reason: unknown) => void = reject;
      const start = async (): Promise<void> => {
        try {
          await run();
          resolve();
        } catch (error) {
          refuse(error);
        } finally {
          // Undefined until Nest or its user sets one, whatever its type says.
          (this.onProcessingEndHook as typeof this.onProcessingEndHook | undefined)?.(transportId, context);
        }
      };
      const hook: (...args: Parameters<typeof this.onProcessingStartHook>) => unknown = this.onProcessingStartHook;
      const started = hook(transportId, context, start);
      if (started instanceof Promise) started.catch(refuse);
    });
  }
}

/** A queue that the broker names: it tells how. */
async function declareNamedByBroker(connection: Connection, transport: ResolvedTransport): Promise<string> {
  const channel = await connection.openChannel();
  try {
    const { name, ...options } = transportQueue(transport);
    return (await channel.queueDeclare(name, options)).queue;
  } finally {
    await channel.close();
  }
}
