/**
 * One connection of the application: opened at start, shared by its consumers and publishers, closed last.
 *
 *   configured --open()--> open --close()--> closed
 *
 * Knows nothing of handlers or topology.
 */
import { Logger } from '@nestjs/common';
import { ParametersError, WrongStateError, type Channel, type Connection } from '../../amqp/index.js';
import { ConfigurationError, describeError } from '../errors.js';
import type { RecoveryService } from '../recovery/index.js';
import { connectWithin } from '../connecting.js';
import { checkModuleOptions, connectionParameters, moduleName, type AmqpModuleOptions } from './amqp-options.js';

const defaultStartTimeout = 30_000;

export class NamedConnection {
  readonly #recovery: RecoveryService;
  readonly #logger = new Logger('AmqpModule');
  readonly #closing = new AbortController();
  readonly #publishChannels = new Map<string, Promise<Channel>>();
  #options: AmqpModuleOptions;
  #connection: Connection | undefined;

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

  /** Connects. Rejects with the cause after `startTimeout`, and at once where trying again cannot help. */
  async open(): Promise<void> {
    const limit = this.#options.startTimeout ?? defaultStartTimeout;
    try {
      const connection = await connectWithin(connectionParameters(this.#options), {
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
    opening.catch(() => {
      this.#publishChannels.delete(purpose);
    });
    return opening;
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
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }
}
