/**
 * A handler's consumer at work: a channel of its own, at most `concurrency` handlers at a time, and an orderly end.
 *
 *   stopped --start()--> consuming --pause()--> paused --start()--> consuming
 *   consuming, paused --stop()--> draining --> stopped
 *
 * One change at a time: ConsumerRegistry sees to that.
 */
import { Logger } from '@nestjs/common';
import type { Channel, Consumer, Delivery } from '../../amqp/index.js';
import { describeError } from '../errors.js';
import { withinTime } from '../waiting.js';
import type { ConsumerPlan } from './consumer-plan.js';
import { DeliveryRun } from './delivery-run.js';
import type { Invoke } from './handler-invoker.js';

/** Milliseconds between two looks at whether everything is settled, while draining. */
const drainInterval = 10;

export class MessageConsumer {
  readonly #plan: ConsumerPlan;
  readonly #invoke: Invoke;
  readonly #logger: Logger;
  #channel: Channel | undefined;
  /** Set while it takes deliveries. */
  #consumer: Consumer | undefined;
  #isTaking = false;
  /** The broker cancelled it: it comes back by itself. */
  #isAway = false;
  #running = 0;
  #staleCount = 0;
  #waiting: DeliveryRun[] = [];
  /** Deliveries whose handler runs, or that are still to be settled by hand. */
  readonly #started = new Set<DeliveryRun>();

  constructor(plan: ConsumerPlan, invoke: Invoke) {
    this.#plan = plan;
    this.#invoke = invoke;
    this.#logger = new Logger('AmqpConsumer');
  }

  /** Settlements that came after their connection or channel was lost; the broker delivers such messages again. */
  get staleCount(): number {
    return this.#staleCount;
  }

  /** Whether the broker hands it messages at present, as far as can be known here. */
  get isConsuming(): boolean {
    return this.#consumer !== undefined && !this.#isAway && this.#plan.connection.isOpen;
  }

  /** Whether it has a channel: it was started, and paused at most. */
  get isStarted(): boolean {
    return this.#channel !== undefined;
  }

  /** Handlers that run. */
  get running(): number {
    return this.#running;
  }

  /** Consumes, or consumes again. Rejects with what the broker refuses; it is as before then. */
  async start(): Promise<void> {
    if (this.#consumer) return;
    const { queue, prefetch, handler } = this.#plan;
    const paused = this.#channel;
    const channel = (this.#channel = paused ?? (await this.#openChannel()));
    this.#isTaking = true;
    this.#isAway = false;
    try {
      const take = (delivery: Delivery): void => this.#onDelivery(channel, delivery);
      this.#consumer = await channel.basicConsume(queue, take, { prefetch });
    } catch (error) {
      this.#isTaking = false;
      // Handlers of a paused consumer may run still: a stop waits for them.
      this.#channel = paused;
      if (!paused) await channel.close();
      throw error;
    }
    this.#logger.log(`${handler.name} consumes "${queue}"`);
  }

  async #openChannel(): Promise<Channel> {
    const { connection, queue, handler } = this.#plan;
    const channel = await connection.connection.openChannel();
    return channel
      .on('lost', ({ cause }) => {
        this.#logger.warn(`${handler.name}: the channel was closed: ${cause.message}; it is reopened`);
      })
      .on('consumerCancelled', () => {
        this.#isAway = true;
        this.#logger.warn(`${handler.name}: the broker cancelled the consumer of "${queue}"; waiting for its return`);
      })
      .on('consumerRecovered', () => {
        this.#isAway = false;
        this.#logger.log(`${handler.name}: consuming "${queue}" again`);
      });
  }

  /** Takes no more and gives back what did not reach its handler; handlers that run go on. Never rejects. */
  async pause(limit: number): Promise<void> {
    this.#isTaking = false;
    const consumer = this.#consumer;
    this.#consumer = undefined;
    await withinTime(limit, consumer?.cancel()).catch((error: unknown) => {
      const { message } = describeError(error);
      this.#logger.warn(`${this.#plan.handler.name}: could not be cancelled: ${message}`);
    });
    for (const run of this.#waiting.splice(0)) run.giveBack();
  }

  /** Takes no more, waits at most `limit` milliseconds for running handlers, and gives the rest back. Never rejects. */
  async stop(limit: number): Promise<void> {
    if (!this.#channel) return;
    const deadline = performance.now() + limit;
    await this.pause(limit);
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
  }

  #abandon(limit: number): void {
    const abandoned = [...this.#started].filter((run) => run.abandon(limit)).length;
    if (abandoned === 0) return;
    this.#logger.warn(
      `${this.#plan.handler.name}: ${String(abandoned)} deliveries were not settled within ${String(limit)} ms ` +
        'of its stop and went back to the queue',
    );
  }

  #onDelivery(channel: Channel, delivery: Delivery): void {
    const run = new DeliveryRun(this.#plan, channel, delivery, this.#invoke, this.#logger, () => this.#onStale());
    if (!this.#isTaking) run.giveBack();
    else {
      this.#waiting.push(run);
      this.#startWaiting();
    }
  }

  #startWaiting(): void {
    while (this.#running < this.#plan.concurrency) {
      const run = this.#waiting.shift();
      if (!run) return;
      // What was lost with its connection comes again.
      if (run.delivery.isStale) continue;
      this.#started.add(run);
      this.#running += 1;
      void this.#run(run);
    }
  }

  async #run(run: DeliveryRun): Promise<void> {
    await run.run();
    this.#running -= 1;
    if (run.isOver) this.#started.delete(run);
    // More than the broker hands out at a time: some were settled by hand since.
    else if (this.#plan.prefetch > 0 && this.#started.size > this.#plan.prefetch) this.#forgetOver();
    this.#startWaiting();
  }

  #forgetOver(): void {
    for (const run of this.#started) if (run.isOver) this.#started.delete(run);
  }

  #onStale(): void {
    this.#staleCount += 1;
    this.#logger.debug(`${this.#plan.handler.name}: settled too late, its connection was lost; it comes again`);
  }
}
