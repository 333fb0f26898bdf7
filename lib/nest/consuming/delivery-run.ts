/**
 * One delivery from the queue to its settlement: read, handled, settled by policy, whatever goes wrong on the way.
 * Nothing that a handler does gets out of `run`.
 */
import type { Logger } from '@nestjs/common';
import type { Channel, Delivery, SettlementResult } from '../../amqp/index.js';
import { describeError, HandlerTimeoutError, ShutdownError, tamed } from '../errors.js';
import { AmqpContext } from './amqp-context.js';
import { readBody } from './body.js';
import type { ConsumerPlan } from './consumer-plan.js';
import { runFor } from './current-delivery.js';
import type { Invoke } from './handler-invoker.js';
import type { ConsumerRun } from './message-consumer.js';
import { park, parkingQueue } from './parking.js';
import { outcomeOf, reasonOf } from './policy.js';
import { Settlement } from './settlement.js';

/** Milliseconds before a message that could not be parked goes back: without them it would come again at once. */
const requeueDelay = 1_000;

export class DeliveryRun implements ConsumerRun {
  readonly delivery: Delivery;
  readonly #plan: ConsumerPlan;
  readonly #channel: Channel;
  readonly #invoke: Invoke;
  readonly #logger: Logger;
  readonly #onStale: () => void;
  readonly #settlement: Settlement;
  readonly #ending = new AbortController();
  #isRunning = false;
  #endDelay: (() => void) | undefined;

  constructor(
    plan: ConsumerPlan,
    channel: Channel,
    delivery: Delivery,
    invoke: Invoke,
    logger: Logger,
    onStale: () => void,
  ) {
    this.#plan = plan;
    this.#channel = channel;
    this.delivery = delivery;
    this.#invoke = invoke;
    this.#logger = logger;
    this.#onStale = onStale;
    this.#settlement = new Settlement(delivery, (reason, error) => this.#parkCopy(reason, error));
  }

  /** True when nothing is to be waited for: settled or stale, and its handler is done. */
  get isOver(): boolean {
    return !this.#isRunning && (this.delivery.isSettled || this.delivery.isStale);
  }

  /** Resolves when the handler is done or given up, and the delivery is settled where that is ours. Never rejects. */
  async run(): Promise<void> {
    this.#isRunning = true;
    try {
      if (this.#plan.policy.when === 'before') this.#note(this.#settlement.ack());
      await this.#handle();
      if (this.#plan.policy.when === 'after' && !this.#settlement.isSettled) this.#note(this.#settlement.ack());
    } catch (error) {
      await this.#failSafely(tamed(error));
    } finally {
      this.#isRunning = false;
    }
  }

  /** Gives the message back without having started. */
  giveBack(): void {
    if (!this.delivery.isSettled) this.#note(this.delivery.nack({ requeue: true }));
  }

  /** No time is left: the handler is told, and the message goes back. Answers whether it did. */
  abandon(limit: number): boolean {
    this.#ending.abort(new ShutdownError(this.#plan.handler.name, limit));
    if (this.delivery.isSettled || this.delivery.isStale) return false;
    this.giveBack();
    return true;
  }

  /** A wait before a requeue is cut short. */
  hurry(): void {
    this.#endDelay?.();
  }

  async #handle(): Promise<void> {
    const { handler, queue, connection, timeout } = this.#plan;
    const payload = handler.options.body === 'bytes' ? this.delivery.body : readBody(this.delivery);
    const context = new AmqpContext({
      delivery: this.delivery,
      channel: this.#channel,
      queue,
      handler: handler.name,
      connection: connection.name,
      signal: this.#ending.signal,
      settlement: this.#settlement,
    });
    const timer =
      timeout === undefined
        ? undefined
        : setTimeout(() => {
            this.#ending.abort(new HandlerTimeoutError(handler.name, timeout));
          }, timeout);
    try {
      // What comes later, from a handler that was given up, is heard and ignored by the race.
      await Promise.race([runFor(context, () => this.#invoke(payload, context)), this.#givenUp()]);
    } finally {
      clearTimeout(timer);
    }
  }

  #givenUp(): Promise<never> {
    const { signal } = this.#ending;
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  }

  /** What was thrown may itself throw when it is looked at: the message is settled all the same. */
  async #failSafely(error: unknown): Promise<void> {
    try {
      await this.#fail(error);
    } catch (failure) {
      const { name, message } = describeError(failure);
      this.#logger.error(`${this.#plan.handler.name}: its failure could not be settled: ${name}: ${message}; requeued`);
      await this.#delay();
      if (!this.delivery.isSettled) this.giveBack();
    }
  }

  async #fail(error: unknown): Promise<void> {
    const { handler, policy, queue } = this.#plan;
    if (error instanceof ShutdownError && error === this.#ending.signal.reason) return;
    if (this.#settlement.isSettled) {
      this.#report(error, policy.when === 'before' ? 'it was acknowledged before' : 'it had settled the message');
      return;
    }
    if (this.delivery.isStale) {
      this.#report(error, 'the connection was lost meanwhile, so the message comes again');
      this.#note('stale');
      return;
    }
    const outcome = outcomeOf(policy, error);
    switch (outcome) {
      case 'park':
        this.#report(error, `to be parked in "${parkingQueue(queue)}"`);
        await this.#park(error);
        return;
      case 'dead-letter':
        this.#report(error, 'dead-lettered');
        this.#note(this.#settlement.deadLetter());
        return;
      case 'requeue':
        this.#report(error, `back to "${queue}"`);
        this.#note(this.#settlement.requeue());
        return;
      case 'drop':
        this.#report(error, 'dropped');
        this.#note(this.#settlement.drop());
        return;
      default:
        outcome satisfies never;
        throw new Error(`${handler.name}: unknown outcome`);
    }
  }

  async #park(error: unknown): Promise<void> {
    try {
      this.#note(await this.#settlement.park(reasonOf(error), error));
    } catch (failure) {
      if (this.delivery.isSettled) return;
      if (this.delivery.isStale) {
        // The outage was told of; the message comes again, and fails or is parked then.
        this.#note('stale');
        return;
      }
      const { name, message } = describeError(failure);
      this.#logger.error(`${this.#plan.handler.name}: the message could not be parked: ${name}: ${message}; requeued`);
      await this.#delay();
      this.giveBack();
    }
  }

  async #parkCopy(reason: string, error: unknown): Promise<void> {
    const { connection, queue, handler } = this.#plan;
    const channel = await connection.publishChannel('for parking');
    await park(channel, { delivery: this.delivery, queue, handler: handler.name, reason, error });
  }

  #delay(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, requeueDelay);
      this.#endDelay = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #note(result: SettlementResult): void {
    if (result === 'stale') this.#onStale();
  }

  /** Once for each failure; the stack of what is expected of bad input helps nobody. */
  #report(error: unknown, consequence: string): void {
    const { name, message } = describeError(error);
    const line = `${this.#plan.handler.name}: ${name}: ${message} (${consequence})`;
    if (reasonOf(error) === 'error' && error instanceof Error) {
      this.#logger.error(line, error.stack);
    } else this.#logger.error(line);
  }
}
