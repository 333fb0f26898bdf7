/**
 * A consumer at work, for the handler of a `@Consume` or the handlers of an AmqpServer: a channel of its own, at most
 * `concurrency` deliveries handled at a time, and an orderly end.
 *
 *   starting --start()--> consuming --pause()--> paused --start()--> consuming
 *   starting, consuming, paused --stop()--> stopping --> stopped --start()--> consuming       stopped --prepare()--> starting
 *
 * Changes happen one after the other, in the order in which they were asked for.
 */
import { AsyncResource } from 'node:async_hooks';
import type { LoggerService } from '@nestjs/common';
import {
  ChannelClosedByBrokerError,
  WrongStateError,
  type Channel,
  type Consumer,
  type ConsumeOptions,
  type Delivery,
} from '../../amqp/index.js';
import { ConfigurationError, describeError } from '../errors.js';
import { withinTime } from '../waiting.js';

/** Milliseconds between two looks at whether everything is settled, while draining. */
const drainInterval = 10;

/**
 * - `starting`: not consuming yet; the application starts, or its connection goes on in the background.
 * - `consuming`: as it should be. `isConsuming` says whether the broker hands it messages at this moment.
 * - `paused`: `pause` was called; handlers that ran went on.
 * - `stopping`: it drains.
 * - `stopped`: it has no channel. `stop` was called, or `autoStart: false`, or the application closed.
 */
export type ConsumerState = 'starting' | 'consuming' | 'paused' | 'stopping' | 'stopped';

/** One delivery at work. */
export interface ConsumerRun {
  readonly delivery: Delivery;
  /** Nothing is to be waited for: it is settled or stale, and its handler is done. */
  readonly isOver: boolean;
  /** Resolves when it was handled, or given up. Never rejects. */
  run(): Promise<void>;
  /** Gives the message back without having started. */
  giveBack(): void;
  /** No time is left: its handler is told, and the message goes back. Answers whether it did. */
  abandon(limit: number): boolean;
  /** A wait before a requeue is cut short. */
  hurry(): void;
}

/** What a consumer works for. */
export interface ConsumerHost {
  readonly logger: LoggerService;
  /** For the log and errors: `Class.method`. */
  readonly title: string;
  /** The queue's name. */
  readonly queue: string;
  /** Deliveries at work at a time; Infinity: without limit. */
  readonly concurrency: number;
  readonly consumeOptions: ConsumeOptions;
  /** False: it waits for `start`. */
  readonly isAutoStarted: boolean;
  /** Milliseconds that a stop waits for handlers. */
  readonly drainTimeout: number;
  openChannel(): Promise<Channel>;
  createRun(channel: Channel, delivery: Delivery, onStale: () => void): ConsumerRun;
  /** Told where `isConsuming` may have changed by what the broker did. */
  onTurn?(): void;
}

export class MessageConsumer {
  readonly #host: ConsumerHost;
  #state: ConsumerState;
  /** The change that goes on. */
  #changing: Promise<void> = Promise.resolve();
  #channel: Channel | undefined;
  /** Set while it takes deliveries. */
  #consumer: Consumer | undefined;
  #isTaking = false;
  #running = 0;
  #staleCount = 0;
  #waiting: ConsumerRun[] = [];
  /** Deliveries whose handler runs, or that are still to be settled by hand. */
  readonly #started = new Set<ConsumerRun>();
  readonly #scope = new AsyncResource('LeveretConsumer');

  constructor(host: ConsumerHost) {
    this.#host = host;
    this.#state = host.isAutoStarted ? 'starting' : 'stopped';
  }

  get state(): ConsumerState {
    return this.#state;
  }

  /** The queue; one that the broker named has another name in each life of the connection. */
  get queue(): string {
    return this.#consumer?.queue ?? this.#host.queue;
  }

  /** Settlements that came after their connection or channel was lost; the broker delivers such messages again. */
  get staleCount(): number {
    return this.#staleCount;
  }

  /** Whether the broker hands it messages at present, as far as can be known here. */
  get isConsuming(): boolean {
    return this.#consumer?.isConsuming === true;
  }

  /** Handlers that run. */
  get running(): number {
    return this.#running;
  }

  /**
   * Consumes, or consumes again; does nothing where it does. Rejects with what the broker refuses, as a ConfigurationError;
   * it is as before then.
   */
  start(): Promise<void> {
    return this.#inTurn(() => this.#start());
  }

  /** The application starts: as `start`, unless it was stopped meanwhile, or waits for `start`. */
  begin(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state === 'starting') await this.#start();
    });
  }

  /** What was stopped is to `begin` again. */
  prepare(): void {
    if (this.#state === 'stopped') this.#state = 'starting';
  }

  /**
   * Takes no more and gives back what did not reach its handler; handlers that run go on. Rejects with WrongStateError where
   * it does not consume.
   */
  pause(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state === 'paused') return;
      this.#expect('pause', 'consuming');
      await this.#takeNoMore(this.#host.drainTimeout);
      this.#state = 'paused';
      this.#host.logger.log(`${this.#host.title}: paused`);
    });
  }

  /** Consumes again after `pause`; as `start`, but rejects with WrongStateError where it was not paused. */
  resume(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state !== 'consuming') this.#expect('resume', 'paused');
      await this.#start();
    });
  }

  /**
   * Takes no more, waits at most `limit` milliseconds for running handlers, gives the rest back, and closes its channel.
   * Never rejects.
   */
  stop(limit: number = this.#host.drainTimeout): Promise<void> {
    return this.#inTurn(() => this.#stop(limit));
  }

  /** As `stop`, also where a change before it waits for a broker that does not answer. */
  async end(): Promise<void> {
    await withinTime(this.#host.drainTimeout, this.#changing).catch(() => undefined);
    await this.#stop(this.#host.drainTimeout);
  }

  // --- changes ----------------------------------------------------------------------------------

  #inTurn(change: () => Promise<void>): Promise<void> {
    const changed = this.#changing.then(change);
    this.#changing = changed.catch(() => undefined);
    return changed;
  }

  #expect(change: string, expected: ConsumerState): void {
    if (this.#state === expected) return;
    throw new WrongStateError(`${change}: the consumer of ${this.#host.title} is ${this.#state}, not ${expected}`);
  }

  async #start(): Promise<void> {
    if (this.#consumer) return;
    const { title, consumeOptions, logger } = this.#host;
    const paused = this.#channel;
    const channel = (this.#channel = paused ?? this.#watch(await this.#host.openChannel()));
    this.#isTaking = true;
    const { queue } = this;
    try {
      const take = (delivery: Delivery): void => this.#onDelivery(channel, delivery);
      this.#consumer = await channel.basicConsume(queue, take, consumeOptions);
    } catch (error) {
      this.#isTaking = false;
      // Handlers of a paused consumer may run still: a stop waits for them.
      this.#channel = paused;
      if (!paused) await channel.close();
      throw refused(title, queue, error);
    }
    this.#state = 'consuming';
    logger.log(`${title} consumes "${queue}"`);
  }

  #watch(channel: Channel): Channel {
    const { title, logger } = this.#host;
    return channel
      .on('lost', ({ cause }) => {
        logger.warn(`${title}: the channel was closed: ${cause.message}; it is reopened`);
      })
      .on('recovered', ({ broken }) => {
        for (const { name, error } of broken)
          logger.error(`${title}: consumer "${name}" was refused: ${error.message}`);
        if (broken.length > 0) this.#host.onTurn?.();
      })
      .on('consumerCancelled', () => {
        logger.warn(`${title}: the broker cancelled the consumer of "${this.queue}"; waiting for its return`);
        this.#host.onTurn?.();
      })
      .on('consumerRecovered', () => {
        logger.log(`${title}: consuming "${this.queue}" again`);
        this.#host.onTurn?.();
      });
  }

  async #takeNoMore(limit: number): Promise<void> {
    this.#isTaking = false;
    const consumer = this.#consumer;
    this.#consumer = undefined;
    await withinTime(limit, consumer?.cancel()).catch((error: unknown) => {
      const { message } = describeError(error);
      this.#host.logger.warn(`${this.#host.title}: could not be cancelled: ${message}`);
    });
    for (const run of this.#waiting.splice(0)) run.giveBack();
  }

  async #stop(limit: number): Promise<void> {
    if (!this.#channel) {
      this.#state = 'stopped';
      return;
    }
    this.#state = 'stopping';
    const deadline = performance.now() + limit;
    await this.#takeNoMore(limit);
    for (;;) {
      for (const run of this.#started) run.hurry();
      this.#forgetOver();
      if (this.#started.size === 0 || performance.now() >= deadline) break;
      await new Promise((resolve) => setTimeout(resolve, drainInterval));
    }
    this.#abandon(limit);
    const channel = this.#channel;
    this.#channel = undefined;
    await channel.close();
    this.#state = 'stopped';
    this.#host.logger.log(`${this.#host.title}: stopped`);
  }

  #abandon(limit: number): void {
    const abandoned = [...this.#started].filter((run) => run.abandon(limit)).length;
    if (abandoned === 0) return;
    this.#host.logger.warn(
      `${this.#host.title}: ${String(abandoned)} deliveries were not settled within ${String(limit)} ms ` +
        'of its stop and went back to the queue',
    );
  }

  // --- deliveries -------------------------------------------------------------------------------

  #onDelivery(channel: Channel, delivery: Delivery): void {
    const run = this.#host.createRun(channel, delivery, () => this.#onStale());
    if (!this.#isTaking) run.giveBack();
    else {
      this.#waiting.push(run);
      this.#startWaiting();
    }
  }

  #startWaiting(): void {
    while (this.#running < this.#host.concurrency) {
      const run = this.#waiting.shift();
      if (!run) return;
      // What was lost with its connection comes again.
      if (run.delivery.isStale) continue;
      this.#started.add(run);
      this.#running += 1;
      // An async context of its own, made in the consumer's: what one handler enters no other one sees, neither one at
      // its side nor the one that follows it.
      const scope = this.#scope.runInAsyncScope(() => new AsyncResource('LeveretDelivery'));
      void scope.runInAsyncScope(() => this.#run(run));
    }
  }

  async #run(run: ConsumerRun): Promise<void> {
    await run.run();
    this.#running -= 1;
    if (run.isOver) this.#started.delete(run);
    // More than the broker hands out at a time: some were settled by hand since.
    else if (this.#started.size > this.#mostAtOnce) this.#forgetOver();
    this.#startWaiting();
  }

  #forgetOver(): void {
    for (const run of this.#started) if (run.isOver) this.#started.delete(run);
  }

  /** As many unsettled deliveries as the broker hands out. */
  get #mostAtOnce(): number {
    const { prefetch = 0 } = this.#host.consumeOptions;
    return prefetch === 0 ? Infinity : prefetch;
  }

  #onStale(): void {
    this.#staleCount += 1;
    this.#host.logger.debug?.(`${this.#host.title}: settled too late, its connection was lost; it comes again`);
  }
}

function refused(title: string, queue: string, error: unknown): unknown {
  if (!(error instanceof ChannelClosedByBrokerError)) return error;
  const words = `${String(error.replyCode)} ${error.replyText}`;
  return new ConfigurationError(title, `consuming the queue "${queue}" was refused by the broker: ${words}`, {
    cause: error,
  });
}
