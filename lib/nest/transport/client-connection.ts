/** The connection of an AmqpClient: made at the first use, once for all who ask, with a channel for each purpose. */
import type { LoggerService } from '@nestjs/common';
import type { Channel, Connection, ConnectionParameters } from '../../amqp/index.js';
import { connectWithin } from '../connecting.js';
import { declareWishes } from '../topology.js';
import { clientWishes } from './declaring.js';
import type { AmqpClientOptions, ResolvedTransport } from './options.js';
import { directReplyTo, RequestChannel } from './request-channel.js';
import { reportConnection, TransportListeners, type AmqpStatus, type AmqpTransportEvents } from './status.js';

export class ClientConnection {
  readonly #options: AmqpClientOptions;
  readonly #transport: ResolvedTransport;
  readonly #logger: LoggerService;
  readonly #onStatus: (status: AmqpStatus) => void;
  readonly #listeners = new TransportListeners();
  #parameters: ConnectionParameters;
  #current: Connection | undefined;
  #connecting: Promise<Connection> | undefined;
  #closing = new AbortController();
  #events: Promise<Channel> | undefined;
  #requests: Promise<RequestChannel> | undefined;

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
    this.#connecting ??= this.#connect().catch((error: unknown) => {
      this.#connecting = undefined;
      throw error;
    });
    return this.#connecting;
  }

  /** Never rejects, idempotent; `open` works again afterwards. */
  async close(): Promise<void> {
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
    this.#events ??= this.#openEventChannel().catch((error: unknown) => {
      this.#events = undefined;
      throw error;
    });
    return this.#events;
  }

  /** The channel of requests, with its reply consumer. */
  requestChannel(): Promise<RequestChannel> {
    this.#requests ??= this.#openRequestChannel().catch((error: unknown) => {
      this.#requests = undefined;
      throw error;
    });
    return this.#requests;
  }

  async #connect(): Promise<Connection> {
    const { signal } = this.#closing;
    const connection = await connectWithin(this.#parameters, {
      limit: this.#transport.startTimeout,
      signal,
      onWaiting: (cause) => {
        this.#logger.warn(`RabbitMQ cannot be reached yet: ${cause.message}. Trying on.`);
      },
    });
    try {
      if (this.#transport.noAssert === false) {
        await declareWishes(connection, clientWishes(this.#transport, this.#options.exchange), {
          choice: 'fail',
          limit: 0,
          signal,
          warn: (message) => {
            this.#logger.warn(message);
          },
        });
      }
      signal.throwIfAborted();
    } catch (error) {
      await connection.close();
      throw error;
    }
    this.#current = connection;
    reportConnection(connection, this.#logger, this.#onStatus);
    connection.on('failed', () => {
      if (this.#current === connection) this.#forget();
    });
    this.#listeners.attachTo(connection);
    this.#onStatus('connected');
    return connection;
  }

  async #openEventChannel(): Promise<Channel> {
    const connection = await this.open();
    const channel = await connection.openChannel({ confirm: true });
    return channel.on('lost', ({ cause }) => {
      this.#logger.warn(`The channel of the events was closed by RabbitMQ: ${cause.message}. Reopening it.`);
    });
  }

  async #openRequestChannel(): Promise<RequestChannel> {
    const { replyQueue = directReplyTo, noAck = true } = this.#options;
    return RequestChannel.open(await this.open(), replyQueue, noAck, this.#logger);
  }

  #forget(): void {
    this.#current = undefined;
    this.#connecting = undefined;
    this.#events = undefined;
    this.#requests = undefined;
  }
}
