/**
 * One connection of the application: opened at start, or in the background, shared by its consumers and publishers, closed
 * last.
 *
 *   configured --open()--> open --close()--> closed
 *
 * Knows nothing of handlers, and of topology only what is wanted.
 */
import { Logger } from '@nestjs/common';
import { AmqpError, ParametersError, WrongStateError, type Channel, type Connection } from '../../amqp/index.js';
import { ConfigurationError, describeError } from '../errors.js';
import type { RecoveryService } from '../recovery/index.js';
import { connectWithin } from '../starting/connecting.js';
import { DelayQueues } from '../retrying/delay-queues.js';
import { directReplyTo, RequestChannel } from '../requests/request-channel.js';
import { Shared } from '../requests/shared.js';
import {
  checkModuleOptions,
  connectionParameters,
  moduleName,
  type AmqpModuleOptions,
  type TopologyDefinitions,
} from './amqp-options.js';
import { WaitingPublishes } from './waiting-publishes.js';

const defaultStartTimeout = 30_000;

/** What is to be on the broker, and who says so. */
export interface WantedTopology extends TopologyDefinitions {
  /** For errors. */
  readonly where: string;
}

export class NamedConnection {
  readonly #recovery: RecoveryService;
  readonly #logger = new Logger('AmqpModule');
  readonly #closing = new AbortController();
  /** Where messages wait for a retry, or until they are due. */
  readonly delayQueues = new DelayQueues(() => this.connection);
  readonly #publishChannels = new Map<string, Promise<Channel>>();
  /** Those that were opened. */
  readonly #openedChannels = new Map<string, Channel>();
  /** Publishes that wait for theirs to be opened. */
  readonly #openings = new Map<string, WaitingPublishes>();
  readonly #features: WantedTopology[] = [];
  readonly #waiting = new WaitingPublishes();
  readonly #requests = new Shared((onEnd) => this.#openRequestChannel(onEnd));
  #options: AmqpModuleOptions;
  #connection: Connection | undefined;
  #isReady = false;

  /** Throws ConfigurationError for options that are unknown or wrong. */
  constructor(
    readonly name: string,
    options: AmqpModuleOptions,
    recovery: RecoveryService,
  ) {
    checkModuleOptions(name, options);
    this.#options = options;
    this.#recovery = recovery;
  }

  get options(): AmqpModuleOptions {
    return this.#options;
  }

  /** What the module and the features want on the broker. */
  get topologies(): readonly WantedTopology[] {
    const { exchanges, queues, bindings } = this.#options;
    return [{ where: moduleName(this.name), exchanges, queues, bindings }, ...this.#features];
  }

  /** @internal What a feature wants; to be called before the application starts. */
  addFeature(feature: WantedTopology): void {
    this.#features.push(feature);
  }

  /** Changes options before the application starts, for instance where a test leads it to another broker. */
  configure(options: AmqpModuleOptions): void {
    if (this.#connection) throw new WrongStateError(`connection "${this.name}" is open already`);
    checkModuleOptions(this.name, options);
    this.#options = options;
  }

  /** The client's connection. Throws WrongStateError before the application started and after it closed. */
  get connection(): Connection {
    if (!this.#connection) {
      const state = this.#closing.signal.aborted ? 'is closed' : 'is not open: the application has not started';
      throw new WrongStateError(`connection "${this.name}" ${state}`);
    }
    return this.#connection;
  }

  /** Whether the application starts without it. */
  get isInBackground(): boolean {
    return this.#options.start === 'background';
  }

  /** Milliseconds that the start waits: for the broker, and for conflicts to be mended. */
  get startLimit(): number {
    return this.#options.startTimeout ?? defaultStartTimeout;
  }

  /** @internal What the application wants on the broker is there: publishes that waited for it go out. */
  ready(): void {
    this.#isReady = true;
    this.#waiting.release();
  }

  /** Whether publishes need not wait for the start: it was ready once, or the start waits for it. */
  get isReady(): boolean {
    return this.#isReady || !this.isInBackground || this.#closing.signal.aborted;
  }

  /** Aborts when it is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /**
   * Connects; does nothing where it did before. Rejects with the cause after `startTimeout`, at once where trying again
   * cannot help, and after one round with `start: 'fail'`; in the background after each round.
   */
  async open(): Promise<void> {
    if (this.#connection) return;
    const limit = this.startLimit;
    const { start = 'wait' } = this.#options;
    const parameters = connectionParameters(this.#options);
    try {
      const connection = await connectWithin(start === 'wait' ? parameters : { ...parameters, attempts: 1 }, {
        limit,
        signal: this.#closing.signal,
        onWaiting: (cause) => {
          const { message } = describeError(cause);
          this.#logger.warn(`connection "${this.name}": ${message}; trying for ${String(limit)} ms`);
        },
      });
      this.#recovery.watch(this.name, connection);
      this.#connection = connection;
    } catch (error) {
      if (!(error instanceof ParametersError)) throw error;
      throw new ConfigurationError(moduleName(this.name), error.message, { cause: error });
    }
  }

  /** The confirming channel for a purpose, one for each: a publish that the broker punishes harms no other purpose. */
  publishChannel(purpose: string): Promise<Channel> {
    const known = this.#publishChannels.get(purpose);
    if (known) return known;
    const opening = this.#openPublishChannel(purpose);
    this.#publishChannels.set(purpose, opening);
    opening.then(
      // A turn later: what waited for it goes first.
      (channel) => setImmediate(() => this.#openedChannels.set(purpose, channel)),
      () => this.#publishChannels.delete(purpose),
    );
    return opening;
  }

  /** As `publishChannel`, where it was opened before: what is published over it is bounded by the client. */
  openedChannel(purpose: string): Channel | undefined {
    return this.#closing.signal.aborted || !this.isReady ? undefined : this.#openedChannels.get(purpose);
  }

  /**
   * As `publishChannel`, for a publish with a body of so many bytes that may have to wait: for the first connect, or for
   * the connection to come back, where the channel was not opened before that went. Bounded as publishes are while it is
   * away; see `untilReady`.
   */
  async channelWithin(
    purpose: string,
    bytes: number,
    signal: AbortSignal | undefined,
    timeout: number | undefined,
  ): Promise<Channel> {
    await this.untilReady(bytes, signal, timeout);
    const opening = this.publishChannel(purpose);
    if (this.#openedChannels.has(purpose)) return opening;
    const { publishBuffer = {} } = this.#options;
    const isAway = this.#connection?.state !== 'open' || this.#connection.blockedReason !== undefined;
    const unlimited = { messages: Infinity, bytes: Infinity, timeout: publishBuffer.timeout };
    await this.#waitingFor(purpose, opening).wait(bytes, isAway ? publishBuffer : unlimited, signal, timeout);
    return opening;
  }

  #waitingFor(purpose: string, opening: Promise<Channel>): WaitingPublishes {
    const known = this.#openings.get(purpose);
    if (known) return known;
    const waiting = new WaitingPublishes();
    this.#openings.set(purpose, waiting);
    opening
      .then(
        () => waiting.release(),
        (error: unknown) => waiting.refuse(error as Error),
      )
      .finally(() => this.#openings.delete(purpose));
    return waiting;
  }

  /** The channel of requests, with its consumer of replies; opened at the first request. */
  requestChannel(): Promise<RequestChannel> {
    return this.#requests.get();
  }

  #openRequestChannel(onEnd: () => void): Promise<RequestChannel> {
    const host = { logger: this.#logger, onEnd, onStatus: () => undefined };
    return RequestChannel.open(this.connection, { replyQueue: directReplyTo, isNoAck: true }, host);
  }

  /**
   * Resolves when it is ready for the first time, where that happens in the background, for a publish with a body of so
   * many bytes. Bounded as publishes are while it is away (`publishBuffer`): rejects with an AmqpError that says which
   * bound it was; also when `signal` is given or `timeout` milliseconds passed.
   */
  async untilReady(bytes: number, signal: AbortSignal | undefined, timeout: number | undefined): Promise<void> {
    if (this.isReady) return;
    await this.#waiting.wait(bytes, this.#options.publishBuffer ?? {}, signal, timeout);
  }

  async #openPublishChannel(purpose: string): Promise<Channel> {
    const channel = await this.connection.openChannel({ confirm: true });
    channel.on('lost', ({ cause }) => {
      this.#logger.warn(`connection "${this.name}": the channel ${purpose} was closed: ${cause.message}; reopened`);
    });
    return channel;
  }

  /** Ends everything, also while it is being opened. Never rejects, idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#waiting.refuse(new AmqpError('the application closed before the connection was ready'));
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }
}
