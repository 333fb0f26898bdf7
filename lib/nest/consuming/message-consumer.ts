/**
 * A consumer at work, for the handler of a `@Consume` or the handlers of an AmqpServer: a channel of its own, at most
 * `concurrency` deliveries handled at a time, and an orderly end.
 *
 *   starting --start()--> consuming --pause()--> paused --start()--> consuming
 *   starting, consuming, paused --stop()--> stopping --> stopped --start()--> consuming       stopped --prepare()--> starting
 *
 * Changes happen one after the other, in the order in which they were asked for.
 */
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
import { AutoPause, type PausedConsumer, type PauseReason } from '../flow/auto-pause.js';
import type { AutoPauseOptions } from '../flow/auto-pause-options.js';
import { tickOf } from '../flow/delivery-ages.js';
import { RunPool } from '../flow/run-pool.js';
import { PlainLine, type WaitingLine } from '../flow/waiting-line.js';
import { withinTime } from '../waiting.js';
import type { ConsumerRun, RunVerdict } from './consumer-run.js';

/** Milliseconds between two looks at whether everything is settled, while draining. */
const drainInterval = 10;

/**
 * - `starting`: not consuming yet; the application starts, or its connection goes on in the background.
 * - `consuming`: as it should be. `isConsuming` says whether the broker hands it messages at this moment.
 * - `paused`: `pause` was called, or it paused by itself (`autoPause`); handlers that ran went on.
 * - `stopping`: it drains.
 * - `stopped`: it has no channel. `stop` was called, or `autoStart: false`, or the application closed.
 */
export type ConsumerState = 'starting' | 'consuming' | 'paused' | 'stopping' | 'stopped';

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
  /** What waits for its turn. Default: one after the other. */
  createLine?(onReady: () => void): WaitingLine;
  /** Undefined: it never pauses by itself. */
  readonly autoPause?: AutoPauseOptions | undefined;
  /** Milliseconds for which the broker lets a delivery be unsettled; Infinity: without limit. Asked when it begins. */
  consumerTimeout?(): number;
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
  #staleCount = 0;
  /** Who paused it last. */
  #pausedBy: PauseReason | undefined;
  /** It consumes one message at a time, after it paused by itself. */
  #isTrying = false;
  #ticking: NodeJS.Timeout | undefined;
  readonly #pool: RunPool;
  readonly #autoPause: AutoPause | undefined;

  constructor(host: ConsumerHost) {
    this.#host = host;
    this.#autoPause = host.autoPause && new AutoPause(host.autoPause, this.#pausedConsumer());
    const { prefetch = 0 } = host.consumeOptions;
    const line = host.createLine?.(() => this.#pool.startNext()) ?? new PlainLine();
    this.#pool = new RunPool({
      line,
      concurrency: host.concurrency,
      mostUnsettled: prefetch === 0 ? Infinity : prefetch,
      warn: (message) => {
        host.logger.warn(message);
      },
      onDone: this.#autoPause && ((verdict) => this.#autoPause?.note(verdict)),
    });
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
    return this.#pool.running;
  }

  /** One of its handlers failed, and its message is held for another try. */
  note(verdict: RunVerdict): void {
    this.#autoPause?.note(verdict);
  }

  /** Who paused it; undefined where it is not paused. */
  get pausedBy(): PauseReason | undefined {
    return this.#state === 'paused' ? this.#pausedBy : undefined;
  }

  /**
   * Consumes, or consumes again; does nothing where it does. Rejects with what the broker refuses, as a ConfigurationError;
   * it is as before then.
   */
  start(): Promise<void> {
    return this.#inTurn(() => this.#startByUser());
  }

  /** The application starts: as `start`, unless it was stopped meanwhile, or waits for `start`. */
  begin(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state === 'starting') await this.#startByUser();
    });
  }

  /** What was stopped is to `begin` again. */
  prepare(): void {
    if (this.#state === 'stopped') this.#state = 'starting';
  }

  /**
   * Takes no more and gives back what did not reach its handler; handlers that run go on. One that paused by itself stays
   * paused then. Rejects with WrongStateError where it does not consume.
   */
  pause(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state !== 'paused') this.#expect('pause', 'consuming');
      this.#autoPause?.end();
      if (this.#state === 'consuming') {
        await this.#pause();
        this.#host.logger.log(`${this.#host.title}: paused`);
      }
      this.#pausedBy = 'user';
    });
  }

  /** Consumes again after a pause, whoever paused it; as `start`, but rejects with WrongStateError where it was not paused. */
  resume(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state !== 'consuming') this.#expect('resume', 'paused');
      await this.#startByUser();
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

  #inTurn<Result>(change: () => Promise<Result>): Promise<Result> {
    const changed = this.#changing.then(change);
    this.#changing = changed.then(
      () => undefined,
      () => undefined,
    );
    return changed;
  }

  #expect(change: string, expected: ConsumerState): void {
    if (this.#state === expected) return;
    throw new WrongStateError(`${change}: the consumer of ${this.#host.title} is ${this.#state}, not ${expected}`);
  }

  async #startByUser(): Promise<void> {
    const isOverruling = this.pausedBy !== undefined && this.#pausedBy !== 'user';
    // One that only tries is to consume as it should.
    if (this.#isTrying && this.#consumer) await this.#pause();
    if (this.#consumer) return;
    await this.#start();
    this.#host.logger.log(`${this.#host.title} consumes "${this.queue}"`);
    this.#autoPause?.begin(isOverruling);
  }

  async #pause(): Promise<void> {
    await this.#takeNoMore(this.#host.drainTimeout);
    this.#state = 'paused';
  }

  /** What pauses it by itself; in turn with what users do. */
  #pausedConsumer(): PausedConsumer {
    const { title, logger } = this.#host;
    return {
      pauseBy: (reason, words) =>
        this.#inTurn(async () => {
          if (this.#state !== 'consuming') return;
          const isTrying = this.#isTrying;
          await this.#pause();
          // What waits here for another try would go on failing.
          this.#pool.hurry();
          this.#pausedBy = reason;
          // Of what goes on failing one line is enough.
          if (!isTrying) logger.warn(`${title}: paused: ${words}`);
        }),
      resumeAfter: (words, most) =>
        this.#inTurn(async () => {
          if (this.#state === 'consuming' && this.#isTrying) await this.#pause();
          if (this.#state !== 'paused' || this.#pausedBy === 'user') return false;
          await this.#start(most);
          if (most === undefined) logger.log(`${title}: resumed: ${words}`);
          return true;
        }).catch((error: unknown) => {
          logger.warn(`${title}: could not be resumed: ${describeError(error).message}`);
          return false;
        }),
    };
  }

  /** `most`: messages at a time, while it is tried whether it goes again. */
  async #start(most?: number): Promise<void> {
    if (this.#consumer) return;
    const { title, consumeOptions, concurrency } = this.#host;
    const paused = this.#channel;
    const channel = (this.#channel = paused ?? this.#begin(await this.#host.openChannel()));
    this.#isTrying = most !== undefined;
    this.#pool.limit = most ?? concurrency;
    this.#isTaking = true;
    const { queue } = this;
    try {
      const take = (delivery: Delivery): void => this.#onDelivery(channel, delivery);
      const prefetch = most ?? consumeOptions.prefetch;
      this.#consumer = await channel.basicConsume(queue, take, { ...consumeOptions, prefetch });
    } catch (error) {
      this.#isTaking = false;
      // Handlers of a paused consumer may run still: a stop waits for them.
      this.#channel = paused;
      if (!paused) {
        clearInterval(this.#ticking);
        await channel.close();
      }
      throw refused(title, queue, error);
    }
    this.#state = 'consuming';
  }

  /** A channel of a life of its own: its deliveries are numbered from 1. */
  #begin(channel: Channel): Channel {
    this.#pool.beginChannel();
    const limit = this.#host.consumerTimeout?.() ?? Infinity;
    if (limit !== Infinity) {
      this.#ticking = setInterval(() => this.#pool.tick(limit), tickOf(limit));
      this.#ticking.unref();
    }
    return this.#watch(channel);
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
    this.#pool.giveBackWaiting();
  }

  async #stop(limit: number): Promise<void> {
    this.#autoPause?.end();
    if (!this.#channel) {
      this.#state = 'stopped';
      return;
    }
    this.#state = 'stopping';
    const deadline = performance.now() + limit;
    await this.#takeNoMore(limit);
    for (;;) {
      this.#pool.hurry();
      if (this.#pool.unfinished === 0 || performance.now() >= deadline) break;
      await new Promise((resolve) => setTimeout(resolve, drainInterval));
    }
    this.#abandon(limit);
    clearInterval(this.#ticking);
    const channel = this.#channel;
    this.#channel = undefined;
    await channel.close();
    this.#state = 'stopped';
    this.#host.logger.log(`${this.#host.title}: stopped`);
  }

  #abandon(limit: number): void {
    const abandoned = this.#pool.abandon(limit);
    if (abandoned === 0) return;
    this.#host.logger.warn(
      `${this.#host.title}: ${String(abandoned)} deliveries were not settled within ${String(limit)} ms ` +
        'of its stop and went back to the queue',
    );
  }

  // --- deliveries -------------------------------------------------------------------------------

  #onDelivery(channel: Channel, delivery: Delivery): void {
    const run = this.#host.createRun(channel, delivery, () => this.#onStale());
    if (this.#isTaking) this.#pool.take(run);
    else run.giveBack();
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
