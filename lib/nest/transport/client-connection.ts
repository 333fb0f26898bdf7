/** The connection of an AmqpClient: made at the first use, once for all who ask, with a channel for each purpose. */
import type { LoggerService } from '@nestjs/common';
import type { Channel, Connection, ConnectionParameters } from '../../amqp/index.js';
import { connectWithin } from '../starting/connecting.js';
import { declareWishes } from '../starting/topology.js';
import { clientWishes } from './declaring.js';
import type { AmqpClientOptions, ResolvedTransport } from './options.js';
import { directReplyTo, RequestChannel } from '../requests/request-channel.js';
import { Shared } from '../requests/shared.js';
import { reportConnection, TransportListeners, type AmqpStatus, type AmqpTransportEvents } from './status.js';

export class ClientConnection {
  readonly #options: AmqpClientOptions;
  readonly #transport: ResolvedTransport;
  readonly #logger: LoggerService;
  readonly #onStatus: (status: AmqpStatus) => void;
  readonly #listeners = new TransportListeners();
  #parameters: ConnectionParameters;
  readonly #connecting = new Shared(() => this.#connect());
  readonly #events = new Shared((onEnd) => this.#openEventChannel(onEnd));
  readonly #requests = new Shared((onEnd) => this.#openRequestChannel(onEnd));
  #current: Connection | undefined;
  #closing = new AbortController();

  constructor(
    options: AmqpClientOptions,
    transport: ResolvedTransport,
    logger: LoggerService,
    onStatus: (status: AmqpStatus) => void,
  ) {
    this.#options = options;
    this.#transport = transport;
    this.#parameters = transport.connection;
    this.#logger = logger;
    this.#onStatus = onStatus;
  }

  /** Undefined before the first connect, and after the last. */
  get current(): Connection | undefined {
    return this.#current;
  }

  get parameters(): ConnectionParameters {
    return this.#parameters;
  }

  on<Name extends keyof AmqpTransportEvents>(event: Name, callback: AmqpTransportEvents[Name]): void {
    this.#listeners.add(event, callback, this.#current);
  }

  pointAt(parameters: ConnectionParameters): void {
    this.#parameters = parameters;
  }

  /** The connection. A failure is forgotten: the next call tries anew. */
  open(): Promise<Connection> {
    return this.#connecting.get();
  }

  /** Never rejects, idempotent; `open` works again afterwards. */
  async close(): Promise<void> {
    // What was asked for before is on its way to its channel; later it would open another connection, which stayed.
    await new Promise((resolve) => setImmediate(resolve));
    this.#closing.abort();
    this.#closing = new AbortController();
    const connection = this.#current;
    this.#forget();
    if (!connection) return;
    await connection.close();
    this.#onStatus('disconnected');
  }

  /** The channel of events, with confirms: what the broker punishes there harms no request. */
  eventChannel(): Promise<Channel> {
    return this.#events.get();
  }

  /** The channel of requests, with its reply consumer. */
  requestChannel(): Promise<RequestChannel> {
    return this.#requests.get();
  }

  async #connect(): Promise<Connection> {
    const { signal } = this.#closing;
    let connection: Connection | undefined;
    try {
      connection = await connectWithin(this.#parameters, {
        limit: this.#transport.startTimeout,
        signal,
        onWaiting: (cause) => {
          this.#logger.warn(`RabbitMQ cannot be reached yet: ${cause.message}. Trying on.`);
          this.#onStatus('disconnected');
        },
      });
      if (this.#transport.noAssert === false) await this.#declare(connection, signal);
      signal.throwIfAborted();
    } catch (error) {
      await connection?.close();
      this.#onStatus('disconnected');
      throw error;
    }
    this.#begin(connection);
    return connection;
  }

  #begin(connection: Connection): void {
    this.#current = connection;
    reportConnection(connection, this.#transport.name, this.#logger, this.#onStatus);
    connection.on('failed', () => {
      if (this.#current === connection) this.#forget();
    });
    this.#listeners.attachTo(connection);
    this.#onStatus('connected');
    // Before an outage comes: what is emitted then waits in its buffer, within its limits.
    this.#events.get().catch(() => undefined);
  }

  async #declare(connection: Connection, signal: AbortSignal): Promise<void> {
    await declareWishes(connection, clientWishes(this.#transport, this.#options.exchange), {
      choice: 'fail',
      limit: 0,
      signal,
      warn: (message) => {
        this.#logger.warn(message);
      },
    });
  }

  async #openEventChannel(onEnd: () => void): Promise<Channel> {
    const connection = await this.open();
    const channel = await connection.openChannel({ confirm: true });
    return channel.on('closed', onEnd).on('lost', ({ cause }) => {
      this.#logger.warn(`The channel of the events was closed by RabbitMQ: ${cause.message}. Reopening it.`);
    });
  }

  async #openRequestChannel(onEnd: () => void): Promise<RequestChannel> {
    const { replyQueue = directReplyTo, noAck = true } = this.#options;
    const connection = await this.open();
    return RequestChannel.open(
      connection,
      { replyQueue, isNoAck: noAck },
      { logger: this.#logger, onStatus: this.#onStatus, onEnd },
    );
  }

  #forget(): void {
    this.#current = undefined;
    this.#connecting.forget();
    this.#events.forget();
    this.#requests.forget();
  }
}
