/**
 * The consumers of an application by name, and what may be done to them while it runs. Changes of one consumer happen one
 * after the other, in the order in which they were asked for.
 */
import { Injectable, Logger } from '@nestjs/common';
import { ArgumentError, WrongStateError } from '../../amqp/index.js';
import { UnknownConsumerError } from '../errors.js';
import { isMilliseconds } from '../option-checks.js';
import { withinTime } from '../waiting.js';
import type { ConsumerPlan } from './consumer-plan.js';
import type { MessageConsumer } from './message-consumer.js';

/**
 * - `starting`: not consuming yet; the application starts, or its connection goes on in the background.
 * - `consuming`: as it should be. `isConsuming` says whether the broker hands it messages at this moment.
 * - `paused`: `pause` was called; handlers that ran went on.
 * - `stopping`: it drains.
 * - `stopped`: it has no channel. `stop` was called, or `autoStart: false`, or the application closed.
 */
export type ConsumerState = 'starting' | 'consuming' | 'paused' | 'stopping' | 'stopped';

/** How a consumer stands. */
export interface ConsumerStatus {
  /** The `name` of its `@Consume`; default `Class.method`. */
  readonly name: string;
  /** `Class.method`. */
  readonly handler: string;
  readonly queue: string;
  /** Name of the connection. */
  readonly connection: string;
  readonly state: ConsumerState;
  /** False also while its connection is away, or the broker cancelled it: then it comes back by itself. */
  readonly isConsuming: boolean;
  /** Handlers that run. */
  readonly running: number;
  /** Settlements that came after their channel was lost; the broker delivered such messages again. */
  readonly stale: number;
}

/** A consumer that the registry has. */
interface Entry {
  readonly plan: ConsumerPlan;
  readonly consumer: MessageConsumer;
  /** Starts it, or rejects with a ConfigurationError. */
  readonly start: () => Promise<void>;
  state: ConsumerState;
  /** The change that goes on. */
  changing: Promise<void>;
}

const defaultDrainTimeout = 10_000;

/**
 * Pauses, resumes, stops and starts consumers by name: the `name` of a `@Consume`, or `Class.method`, which means all
 * consumers of that method. What was paused or stopped stays so over every recovery of its connection. Injectable
 * everywhere; empty until the consumers were made, which is after every bootstrap hook.
 */
@Injectable()
export class ConsumerRegistry {
  readonly #logger = new Logger('AmqpConsumer');
  #entries: readonly Entry[] = [];
  #hasBegun = false;
  #isOver = false;

  /** How all consumers stand, or those of a name. Throws UnknownConsumerError. */
  status(name?: string): readonly ConsumerStatus[] {
    const entries = name === undefined ? this.#entries : this.#named(name, 'ConsumerRegistry.status');
    return entries.map(({ plan, consumer, state }) => ({
      name: plan.name,
      handler: plan.handler.name,
      queue: plan.queue,
      connection: plan.connection.name,
      state,
      isConsuming: state === 'consuming' && consumer.isConsuming,
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
    await this.#change(name, 'ConsumerRegistry.pause', async (entry) => {
      if (entry.state === 'paused') return;
      if (entry.state !== 'consuming') throw wrongState('ConsumerRegistry.pause', entry, 'consuming');
      await entry.consumer.pause(drainTimeoutOf(entry.plan));
      entry.state = 'paused';
      this.#logger.log(`${entry.plan.name}: paused`);
    });
  }

  /**
   * Takes messages again after `pause`; one that consumes is left alone. Rejects with UnknownConsumerError, WrongStateError
   * where it is stopped or has not started, and ConfigurationError for what the broker refuses (its queue is gone).
   */
  async resume(name: string): Promise<void> {
    await this.#change(name, 'ConsumerRegistry.resume', async (entry) => {
      if (entry.state === 'consuming') return;
      if (entry.state !== 'paused') throw wrongState('ConsumerRegistry.resume', entry, 'paused');
      await this.#start(entry);
    });
  }

  /**
   * Takes no more messages, waits for handlers that run, at most `timeout` milliseconds (default: `defaults.drainTimeout`
   * of its connection, 10 000), gives the rest back to the queue, and closes the channel. Stopping twice is harmless.
   * Rejects with UnknownConsumerError, and ArgumentError for a `timeout` that is no number of milliseconds.
   */
  async stop(name: string, { timeout }: { timeout?: number | undefined } = {}): Promise<void> {
    const problem = timeout === undefined ? undefined : isMilliseconds(timeout);
    if (problem !== undefined) throw new ArgumentError('timeout', problem);
    await this.#change(name, 'ConsumerRegistry.stop', (entry) => this.#stop(entry, timeout));
  }

  /**
   * Consumes again after `stop` or `pause`, or for the first time with `autoStart: false`; one that consumes is left alone.
   * Rejects with UnknownConsumerError, WrongStateError before its connection is open, and ConfigurationError for what the
   * broker refuses.
   */
  async start(name: string): Promise<void> {
    await this.#change(name, 'ConsumerRegistry.start', async (entry) => {
      if (entry.state !== 'consuming') await this.#start(entry);
    });
  }

  /** Whether every consumer that is neither paused nor stopped consumes at this moment; false before they started. */
  get isReady(): boolean {
    if (this.#isOver || !this.#hasBegun) return false;
    return this.#entries.every(
      ({ state, consumer }) =>
        state === 'paused' || state === 'stopped' || (state === 'consuming' && consumer.isConsuming),
    );
  }

  // --- for the module ---------------------------------------------------------------------------

  /** @internal The consumers of the application; `start` starts one, or rejects with a ConfigurationError. */
  fill(consumers: readonly Pick<Entry, 'plan' | 'consumer' | 'start'>[]): void {
    this.#hasBegun = true;
    this.#entries = consumers.map((entry) => ({
      ...entry,
      state: entry.plan.isAutoStarted ? ('starting' as const) : ('stopped' as const),
      changing: Promise.resolve(),
    }));
  }

  /** @internal Starts those of a connection that start by themselves and were not stopped meanwhile. */
  async startAll(connection: string): Promise<void> {
    const entries = this.#entries.filter(
      ({ plan, state }) => plan.connection.name === connection && state === 'starting',
    );
    await all(
      entries.map((entry) =>
        this.#inTurn(entry, async () => {
          if (entry.state === 'starting') await this.#start(entry);
        }),
      ),
    );
  }

  /** @internal The application closes. Never rejects. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(
      this.#entries.map(async (entry) => {
        // A change that waits for the broker is not waited for longer than handlers are.
        await withinTime(drainTimeoutOf(entry.plan), entry.changing).catch(() => undefined);
        await this.#stop(entry);
      }),
    );
  }

  // --- changes ----------------------------------------------------------------------------------

  async #start(entry: Entry): Promise<void> {
    if (this.#isOver) return;
    await entry.start();
    entry.state = 'consuming';
  }

  async #stop(entry: Entry, timeout = drainTimeoutOf(entry.plan)): Promise<void> {
    if (entry.consumer.isStarted) {
      entry.state = 'stopping';
      await entry.consumer.stop(timeout);
      if (!this.#isOver) this.#logger.log(`${entry.plan.name}: stopped`);
    }
    entry.state = 'stopped';
  }

  async #change(name: string, where: string, change: (entry: Entry) => Promise<void>): Promise<void> {
    await all(
      this.#named(name, where).map((entry) =>
        this.#inTurn(entry, async () => {
          if (this.#isOver) throw new WrongStateError(`${where}: the application is closing`);
          await change(entry);
        }),
      ),
    );
  }

  #inTurn(entry: Entry, change: () => Promise<void>): Promise<void> {
    const changed = entry.changing.then(change);
    entry.changing = changed.catch(() => undefined);
    return changed;
  }

  #named(name: string, where: string): readonly Entry[] {
    const own = this.#entries.filter(({ plan }) => plan.name === name);
    const entries = own.length > 0 ? own : this.#entries.filter(({ plan }) => plan.handler.name === name);
    if (entries.length > 0) return entries;
    throw new UnknownConsumerError(
      where,
      name,
      this.#entries.map(({ plan }) => plan.name),
    );
  }
}

/** Waits for all, then rejects with the first failure. */
async function all(changes: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(changes);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function drainTimeoutOf({ connection }: ConsumerPlan): number {
  return connection.options.defaults?.drainTimeout ?? defaultDrainTimeout;
}

function wrongState(where: string, { plan, state }: Entry, expected: string): WrongStateError {
  return new WrongStateError(`${where}: the consumer "${plan.name}" is ${state}, not ${expected}`);
}
