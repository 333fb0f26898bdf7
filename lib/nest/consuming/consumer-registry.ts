/** The consumers of an application by name, and what may be done to them while it runs. */
import { Injectable } from '@nestjs/common';
import { ArgumentError, WrongStateError } from '../../amqp/index.js';
import { UnknownConsumerError } from '../errors.js';
import type { PauseReason } from '../flow/auto-pause.js';
import { isMilliseconds } from '../option-checks.js';
import type { ConsumerState, MessageConsumer } from './message-consumer.js';

/** How a consumer stands. */
export interface ConsumerStatus {
  /** The `name` of its `@Consume`, default `Class.method`; of an AmqpServer its `name`, default `AmqpServer <queue>`. */
  readonly name: string;
  /** `Class.method`, several with commas between them where they share the queue, or `AmqpServer`. */
  readonly handler: string;
  readonly queue: string;
  /** Name of the connection. */
  readonly connection: string;
  readonly state: ConsumerState;
  /** Who paused it: `pause` was called, its handler failed too often, or its probe said no. Undefined where it is not paused. */
  readonly pausedBy: PauseReason | undefined;
  /** False also while its connection is away, or the broker cancelled it: then it comes back by itself. */
  readonly isConsuming: boolean;
  /** Handlers that run. */
  readonly running: number;
  /** Settlements that came after their channel was lost; the broker delivered such messages again. */
  readonly stale: number;
}

/** A consumer that the registry has. */
export interface RegisteredConsumer {
  readonly name: string;
  /** `Class.method` each, or `AmqpServer`. */
  readonly handlers: readonly string[];
  /** Name of the connection. */
  readonly connection: string;
  readonly consumer: MessageConsumer;
}

/**
 * Pauses, resumes, stops and starts consumers by name: the `name` of a `@Consume`, or `Class.method`, which means all
 * consumers of that method; and the servers (AmqpServer) that the application is connected to, by theirs. What was paused or
 * stopped stays so over every recovery of its connection. Injectable everywhere; handlers are in it after every bootstrap
 * hook, servers once the application is connected to them.
 */
@Injectable()
export class ConsumerRegistry {
  readonly #servers: RegisteredConsumer[] = [];
  #handlers: readonly RegisteredConsumer[] = [];
  #hasBegun = false;
  #isOver = false;

  /** How all consumers stand, or those of a name. Throws UnknownConsumerError. */
  status(name?: string): readonly ConsumerStatus[] {
    const entries = name === undefined ? this.#all : this.#named(name, 'ConsumerRegistry.status');
    return entries.map(({ consumer, ...entry }) => ({
      name: entry.name,
      handler: [...new Set(entry.handlers)].join(', '),
      queue: consumer.queue,
      connection: entry.connection,
      state: consumer.state,
      pausedBy: consumer.pausedBy,
      isConsuming: consumer.state === 'consuming' && consumer.isConsuming,
      running: consumer.running,
      stale: consumer.staleCount,
    }));
  }

  /**
   * Takes no more messages: basic.cancel; what was delivered and has not reached its handler goes back to the queue.
   * Handlers that run go on. Resolves when the broker sends nothing more; pausing twice is harmless. Rejects with
   * UnknownConsumerError, and WrongStateError where it is stopped or has not started.
   */
  async pause(name: string): Promise<void> {
    await this.#change(name, 'ConsumerRegistry.pause', (consumer) => consumer.pause());
  }

  /**
   * Takes messages again after `pause`; one that consumes is left alone. Rejects with UnknownConsumerError, WrongStateError
   * where it is stopped or has not started, and ConfigurationError for what the broker refuses (its queue is gone).
   */
  async resume(name: string): Promise<void> {
    await this.#change(name, 'ConsumerRegistry.resume', (consumer) => consumer.resume());
  }

  /**
   * Takes no more messages, waits for handlers that run, at most `timeout` milliseconds (default: `defaults.drainTimeout`
   * of its connection, or `drainTimeout` of its server, 10 000), gives the rest back to the queue, and closes the channel.
   * Stopping twice is harmless. Rejects with UnknownConsumerError, and ArgumentError for a `timeout` that is no number of
   * milliseconds.
   */
  async stop(name: string, { timeout }: { timeout?: number | undefined } = {}): Promise<void> {
    const problem = timeout === undefined ? undefined : isMilliseconds(timeout);
    if (problem !== undefined) throw new ArgumentError('timeout', problem);
    await this.#change(name, 'ConsumerRegistry.stop', (consumer) => consumer.stop(timeout));
  }

  /**
   * Consumes again after `stop` or `pause`, or for the first time with `autoStart: false`; one that consumes is left alone.
   * Rejects with UnknownConsumerError, WrongStateError before its connection is open, and ConfigurationError for what the
   * broker refuses.
   */
  async start(name: string): Promise<void> {
    await this.#change(name, 'ConsumerRegistry.start', (consumer) => consumer.start());
  }

  /** Whether every consumer that is neither paused nor stopped consumes at this moment; false before they started. */
  get isReady(): boolean {
    if (this.#isOver || !this.#hasBegun) return false;
    return this.#all.every(
      ({ consumer: { state, isConsuming } }) =>
        state === 'paused' || state === 'stopped' || (state === 'consuming' && isConsuming),
    );
  }

  // --- for the module ---------------------------------------------------------------------------

  /** @internal The consumers of the application's handlers. */
  fill(consumers: readonly RegisteredConsumer[]): void {
    this.#hasBegun = true;
    this.#handlers = consumers;
  }

  /** @internal A server that the application is connected to, which starts by itself. */
  add(server: RegisteredConsumer): void {
    this.#servers.push(server);
  }

  /** @internal Starts the handlers' consumers of a connection that start by themselves and were not stopped meanwhile. */
  async begin(connection: string): Promise<void> {
    if (this.#isOver) return;
    await all(
      this.#handlers.filter((entry) => entry.connection === connection).map(({ consumer }) => consumer.begin()),
    );
  }

  /** @internal The application closes. Never rejects. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#handlers.map(({ consumer }) => consumer.end()));
  }

  // --- changes ----------------------------------------------------------------------------------

  get #all(): readonly RegisteredConsumer[] {
    return [...this.#handlers, ...this.#servers];
  }

  async #change(name: string, where: string, change: (consumer: MessageConsumer) => Promise<void>): Promise<void> {
    const entries = this.#named(name, where);
    if (this.#isOver) throw new WrongStateError(`${where}: the application is closing`);
    await all(entries.map(({ consumer }) => change(consumer)));
  }

  #named(name: string, where: string): readonly RegisteredConsumer[] {
    const own = this.#all.filter((entry) => entry.name === name);
    const entries = own.length > 0 ? own : this.#all.filter(({ handlers }) => handlers.includes(name));
    if (entries.length > 0) return entries;
    throw new UnknownConsumerError(
      where,
      name,
      this.#all.map((entry) => entry.name),
    );
  }
}

/** Waits for all, then rejects with the first failure. */
async function all(changes: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(changes);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
