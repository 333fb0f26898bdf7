/**
 * The transport strategy for Nest microservices: `@MessagePattern` and `@EventPattern` over RabbitMQ, wire-compatible
 * with Nest's own RabbitMQ transport.
 *
 *   idle --listen--> starting --consuming--> listening --close--> idle        starting --failure, close--> idle
 */
import { AsyncResource } from 'node:async_hooks';
import { Logger } from '@nestjs/common';
import {
  Server,
  type BaseRpcContext,
  type CustomTransportStrategy,
  type MessageHandler,
  type Transport,
} from '@nestjs/microservices';
import {
  WrongStateError,
  type Channel,
  type Connection,
  type ConnectionParameters,
  type Consumer,
} from '../../amqp/index.js';
import { parkingQueue } from '../consuming/parking.js';
import { connectWithin } from '../connecting.js';
import { withinTime } from '../waiting.js';
import { declareForServer } from './declaring.js';
import { DeliveryHandler } from './delivery-handler.js';
import { HandlerPolicies } from './handler-policy.js';
import { HandlerRegistry } from './handler-registry.js';
import { InFlight } from './in-flight.js';
import { resolveTransport, type AmqpServerOptions, type ResolvedTransport } from './options.js';
import { RecordSerializer } from './packet.js';
import { Parking } from './parking.js';
import { reportConnection, TransportListeners, type AmqpStatus, type AmqpTransportEvents } from './status.js';

/** Handlers that name a transport (`@EventPattern('x', AMQP_TRANSPORT)`) are served by AmqpServer with this one. */
export const AMQP_TRANSPORT = Symbol.for('leveret.transport');

export class AmqpServer extends Server<AmqpTransportEvents, AmqpStatus> implements CustomTransportStrategy {
  override transportId: Transport | symbol = AMQP_TRANSPORT;
  /** Nest 12 asks: errors of event handlers reach us, and we log them. */
  override readonly propagatesEventHandlerErrors = true;
  protected override readonly logger = new Logger(AmqpServer.name);
  readonly #options: AmqpServerOptions;
  readonly #transport: ResolvedTransport;
  readonly #registry = new HandlerRegistry();
  readonly #listeners = new TransportListeners();
  readonly #inFlight = new InFlight();
  #connectionParameters: ConnectionParameters;
  #connection: Connection | undefined;
  #outbox: Promise<Channel> | undefined;
  #consumer: Consumer | undefined;
  #starting: AbortController | undefined;
  #isClosing = false;

  /**
   * `{ url, queue, prefetch, ... }`, and the options of Nest's own RabbitMQ transport by their names.
   * Throws ConfigurationError, which names every unknown or wrong option.
   */
  constructor(options: AmqpServerOptions = {}) {
    super();
    this.#options = options;
    this.#transport = resolveTransport(options, 'AmqpServer');
    this.#connectionParameters = this.#transport.connection;
    this.serializer = options.serializer ?? new RecordSerializer();
    this.initializeDeserializer(options as never);
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
   * the callback is given the cause when it could not start (a wrong password: at once).
   */
  listen(callback: (error?: unknown) => unknown): void {
    this.#start().then(
      () => callback(),
      (error: unknown) => callback(error),
    );
  }

  /**
   * Stops consuming, waits up to `drainTimeout` (10 s) for running handlers, gives the messages of the others back to
   * the queue, and closes the connection. Idempotent, never rejects.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#starting?.abort();
    const connection = this.#connection;
    if (!connection) return;
    try {
      await withinTime(this.#options.drainTimeout ?? 10_000, this.#consumer?.cancel());
    } catch (error) {
      this.logger.warn(`The consumer could not be cancelled: ${(error as Error).message}`);
    }
    const requeued = await this.#inFlight.drain(this.#options.drainTimeout ?? 10_000);
    if (requeued > 0) {
      this.logger.warn(
        `${String(requeued)} messages went back to "${this.#transport.queue}": their handlers still run.`,
      );
    }
    this.#connection = undefined;
    this.#consumer = undefined;
    this.#outbox = undefined;
    await connection.close();
    this._status$.next('disconnected');
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

  async #start(): Promise<void> {
    if (this.#starting) throw new WrongStateError('AmqpServer listens already');
    this.#isClosing = false;
    const starting = new AbortController();
    this.#starting = starting;
    try {
      const connection = await connectWithin(this.#connectionParameters, {
        limit: this.#transport.startTimeout,
        signal: starting.signal,
        onWaiting: (cause) => {
          this.logger.warn(`RabbitMQ cannot be reached yet: ${cause.message}. Trying on.`);
          this._status$.next('disconnected');
        },
      });
      this.#connection = connection;
      await this.#consume(connection);
      reportConnection(connection, this.logger, (status) => this._status$.next(status));
      this.#listeners.attachTo(connection);
      this._status$.next('connected');
    } catch (error) {
      const connection = this.#connection;
      this.#connection = undefined;
      await connection?.close();
      this._status$.next('disconnected');
      throw error;
    } finally {
      this.#starting = undefined;
    }
  }

  async #consume(connection: Connection): Promise<void> {
    const { prefetch, prefetchCount, isGlobalPrefetchCount, noAck = false, consumerTag } = this.#options;
    const channel = await connection.openChannel();
    this.#watch(channel);
    const queue = await declareForServer(channel, this.#transport, this.#registry.patterns);
    const limit = prefetch ?? prefetchCount ?? 20;
    if (isGlobalPrefetchCount === true) await channel.basicQos(limit, { global: true });
    const mayDeclare = this.#transport.noAssert !== true;
    if (!mayDeclare && !noAck && !(await channel.queueExists(parkingQueue(queue)))) {
      this.logger.warn(`There is no queue "${parkingQueue(queue)}": messages that fail cannot be parked.`);
    }
    const handler = this.#createHandler(connection, channel, mayDeclare);
    // A server-named queue changes its name with each life of the connection.
    const currentQueue = (): string => this.#consumer?.queue ?? queue;
    this.#consumer = await channel.basicConsume(
      queue,
      (delivery) => {
        if (this.#isClosing && !delivery.isSettled) delivery.nack({ requeue: true });
        else {
          // An async context of its own: what one handler enters no other one sees.
          const scope = new AsyncResource('LeveretDelivery');
          void scope.runInAsyncScope(() =>
            this.#inFlight.track(delivery, (flight) => handler.handle(flight, currentQueue())),
          );
        }
      },
      { noAck, consumerTag, ...(isGlobalPrefetchCount === true ? {} : { prefetch: limit }) },
    );
  }

  #createHandler(connection: Connection, channel: Channel, mayDeclare: boolean): DeliveryHandler {
    const openOutbox = (): Promise<Channel> => {
      this.#outbox ??= connection.openChannel({ confirm: true }).then(
        (outbox) => this.#watch(outbox),
        (error: unknown) => {
          this.#outbox = undefined;
          throw error;
        },
      );
      return this.#outbox;
    };
    const policies = new HandlerPolicies(this.#options.ack ?? {});
    const retrying = this.#registry.all.filter(([, handler]) => policies.ofEvent(handler).asksForRetry);
    if (retrying.length > 0) {
      const patterns = [...new Set(retrying.map(([pattern]) => `"${pattern}"`))].join(', ');
      this.logger.warn(`@Ack retry is not done yet: a failed message goes straight to "then" (${patterns})`);
    }
    return new DeliveryHandler({
      logger: this.logger,
      registry: this.#registry,
      policies,
      parking: new Parking(openOutbox, mayDeclare),
      hasWildcards: this.#transport.hasWildcards,
      channel,
      connectionName: this.#connectionParameters.connectionName ?? AmqpServer.name,
      requiresJson: this.#options.deserializer === undefined,
      deserialize: (value, properties) => this.deserializer.deserialize(value, properties),
      serialize: (packet) => this.serializer.serialize(packet as never) as unknown,
      routeOf: (pattern) => this.getRouteFromPattern(pattern),
      runBetweenHooks: (context, run) => this.#runBetweenHooks(context, run),
      openOutbox,
    });
  }

  /** What befalls one channel is told in the log, and in `status` where it stops the consumer. */
  #watch(channel: Channel): Channel {
    return channel
      .on('lost', ({ cause }) => this.logger.warn(`A channel was closed by RabbitMQ: ${cause.message}. Reopening it.`))
      .on('recovered', ({ broken }) => {
        for (const { name, error } of broken)
          this.logger.error(`RabbitMQ refused consumer "${name}": ${error.message}`);
        if (broken.length > 0) this._status$.next('unconsumed');
      })
      .on('consumerCancelled', ({ cause }) => {
        this.logger.warn(`${cause.message}. It comes back when the queue does.`);
        this._status$.next('unconsumed');
      })
      .on('consumerRecovered', ({ consumer }) => {
        this.logger.log(`Queue "${consumer.queue}" is consumed again.`);
        this._status$.next('connected');
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
