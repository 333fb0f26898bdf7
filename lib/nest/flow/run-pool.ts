/**
 * The deliveries of a consumer that are here: those that wait for their turn, and those at work, so many at a time. Must not
 * know channels, nor what a handler is.
 */
import { AsyncResource } from 'node:async_hooks';
import type { ConsumerRun, RunVerdict } from '../consuming/consumer-run.js';
import { HandlerTimeoutError } from '../errors.js';
import { DeliveryAges, ticks } from './delivery-ages.js';
import type { WaitingLine } from './waiting-line.js';

export interface RunPoolParts {
  readonly line: WaitingLine;
  /** Infinity: without limit. */
  readonly concurrency: number;
  /** Deliveries that the broker hands out unsettled; Infinity: without limit. */
  readonly mostUnsettled: number;
  /** Told of what is near the limit of the broker. */
  warn(message: string): void;
  /** One is done. */
  readonly onDone: ((verdict: RunVerdict) => void) | undefined;
}

export class RunPool {
  /** At most so many at a time; lowered while somebody tries whether it goes again. */
  limit: number;
  readonly #parts: RunPoolParts;
  /** Deliveries whose handler runs, or that are still to be settled by hand. */
  readonly #started = new Set<ConsumerRun>();
  readonly #scope = new AsyncResource('LeveretConsumer');
  #running = 0;
  #ages = new DeliveryAges();
  #lastTag = 0;
  /** All up to this one were warned of. */
  #warnedTag = 0;

  constructor(parts: RunPoolParts) {
    this.#parts = parts;
    this.limit = parts.concurrency;
  }

  /** Handlers that run. */
  get running(): number {
    return this.#running;
  }

  /** Deliveries, or batches of them, whose handler runs, or that are to be settled by hand. */
  get unfinished(): number {
    this.#forgetOver();
    return this.#started.size;
  }

  /** Its turn comes, now or later. */
  take(run: ConsumerRun): void {
    this.#lastTag = run.delivery.deliveryTag;
    this.#parts.line.push(run);
    this.startNext();
  }

  /** As many as may. */
  startNext(): void {
    const { line } = this.#parts;
    while (this.#running < this.limit) {
      const run = line.next();
      if (!run) return;
      if (run.delivery.isStale) {
        // What was lost with its connection comes again.
        line.done(run);
        continue;
      }
      this.#started.add(run);
      this.#running += 1;
      // An async context of its own, made in the consumer's: what one handler enters no other one sees, neither one at
      // its side nor the one that follows it.
      const scope = this.#scope.runInAsyncScope(() => new AsyncResource('LeveretDelivery'));
      void scope.runInAsyncScope(() => this.#run(run));
    }
  }

  giveBackWaiting(): void {
    for (const run of this.#parts.line.takeAll()) run.giveBack();
  }

  hurry(): void {
    for (const run of this.#started) run.hurry();
  }

  /** Answers how many messages went back. */
  abandon(limit: number): number {
    return [...this.#started].reduce((count, run) => count + run.abandon(limit), 0);
  }

  /** What comes is of another channel, with numbers of its own. */
  beginChannel(): void {
    this.#ages = new DeliveryAges();
    this.#lastTag = 0;
    this.#warnedTag = 0;
  }

  /** To be called each twentieth of the time for which the broker lets a delivery be unsettled, which is `limit` milliseconds. */
  tick(limit: number): void {
    const ages = this.#ages;
    ages.tick(this.#lastTag);
    const { line } = this.#parts;
    const { oldestTag } = line;
    // The younger ones too: of one key none may overtake another.
    if (oldestTag !== undefined && oldestTag <= ages.tagAfter(ticks.giveBack)) this.giveBackWaiting();
    const [warnTag, expireTag] = [ages.tagAfter(ticks.warn), ages.tagAfter(ticks.expire)];
    for (const run of this.#started) {
      const { deliveryTag, isStale } = run.delivery;
      if (isStale || run.isOver || deliveryTag > warnTag) continue;
      if (deliveryTag <= expireTag) run.expire(new HandlerTimeoutError(run.title, limit, true));
      else if (deliveryTag > this.#warnedTag) {
        this.#parts.warn(
          `${run.title}: a message is not settled for half of the ${String(limit)} ms that the broker allows; shortly before ` +
            'they are over it is settled as failed (consumerTimeout)',
        );
      }
    }
    this.#warnedTag = Math.max(this.#warnedTag, warnTag);
  }

  async #run(run: ConsumerRun): Promise<void> {
    await run.run();
    this.#running -= 1;
    if (run.isOver) this.#started.delete(run);
    // More than the broker hands out at a time: some were settled by hand since.
    else if (this.#started.size > this.#parts.mostUnsettled) this.#forgetOver();
    this.#parts.line.done(run);
    this.#parts.onDone?.(run.verdict);
    this.startNext();
  }

  #forgetOver(): void {
    for (const run of this.#started) if (run.isOver) this.#started.delete(run);
  }
}
