/**
 * Pull-style consuming: an async iterator over a consumer.
 *
 *   idle --first next()--> consuming --leaving, silence, channel closed--> ended
 *
 * Leaving the loop cancels the consumer and gives back what was delivered and not handed out.
 */
import type { Delivery } from '../channel/index.js';
import { ChannelClosedError, ConnectionClosedError, type AmqpError } from '../errors.js';
import type { FieldTable } from '../protocol/index.js';
import type { Consumer, DeliveryCallback } from './consumer.js';

/** What a stream needs of its channel. */
export interface StreamOwner<Body, Headers extends FieldTable> {
  startConsumer(onDelivery: DeliveryCallback<Body, Headers>): Promise<Consumer>;
  forgetStream(): void;
}

type Result<Body, Headers extends FieldTable> = IteratorResult<Delivery<Body, Headers>, undefined>;

/**
 * Deliveries as an async iterable, made by `channel.consume`. It consumes from the first `next()` on; leaving the loop
 * cancels the consumer and gives back what was not handed out.
 */
export class DeliveryStream<Body = unknown, Headers extends FieldTable = FieldTable> implements AsyncIterableIterator<
  Delivery<Body, Headers>,
  undefined
> {
  readonly #owner: StreamOwner<Body, Headers>;
  readonly #inactivityTimeout: number | undefined;
  #buffer: Delivery<Body, Headers>[] = [];
  #consumer: Consumer | undefined;
  #starting: Promise<void> | undefined;
  #ending: Promise<number> | undefined;
  #failure: AmqpError | undefined;
  #wake: (() => void) | undefined;
  #pulling: Promise<unknown> = Promise.resolve();
  #requeued = 0;

  /** Made by `channel.consume`. `inactivityTimeout` in milliseconds. */
  constructor(owner: StreamOwner<Body, Headers>, inactivityTimeout: number | undefined) {
    this.#owner = owner;
    this.#inactivityTimeout = inactivityTimeout;
  }

  /** How many undelivered messages went back to the queue when the loop was left. */
  get requeued(): number {
    return this.#requeued;
  }

  /** Messages that came and were not handed out yet. */
  get buffered(): number {
    return this.#buffer.length;
  }

  /** @internal */
  get consumer(): Consumer | undefined {
    return this.#consumer;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * The next delivery; the end after `inactivityTimeout` milliseconds of silence, or when the channel was closed by this
   * program. Rejects when the channel ended by an error. Several calls at a time are served in order.
   */
  next(): Promise<Result<Body, Headers>> {
    const result = this.#pulling.then(() => this.#pull());
    this.#pulling = result.catch(() => undefined);
    return result;
  }

  async #pull(): Promise<Result<Body, Headers>> {
    if (this.#hasEnded()) return { done: true, value: undefined };
    await (this.#starting ??= this.#start());
    const deadline = this.#inactivityTimeout === undefined ? Infinity : performance.now() + this.#inactivityTimeout;
    for (;;) {
      const delivery = this.#takeFresh();
      if (delivery) return { done: false, value: delivery };
      if (this.#failure) return this.#finishFailed(this.#failure);
      if (this.#hasEnded()) return { done: true, value: undefined };
      if (performance.now() >= deadline) {
        await this.cancel();
        return { done: true, value: undefined };
      }
      await this.#nextChange(deadline - performance.now());
    }
  }

  /** Called when a `for await` loop is left. */
  async return(): Promise<Result<Body, Headers>> {
    await this.cancel();
    return { done: true, value: undefined };
  }

  /** Cancels, then rejects with the error. */
  async throw(error: unknown): Promise<Result<Body, Headers>> {
    await this.cancel();
    throw error;
  }

  /** Cancels the consumer and gives back what was not handed out; answers how many messages that were. */
  cancel(): Promise<number> {
    return (this.#ending ??= this.#cancel());
  }

  /**
   * The channel is over.
   *
   * @internal
   */
  fail(cause: AmqpError): void {
    this.#failure ??= cause;
    this.#wake?.();
  }

  #hasEnded(): boolean {
    return this.#ending !== undefined;
  }

  async #start(): Promise<void> {
    try {
      this.#consumer = await this.#owner.startConsumer((delivery) => {
        this.#buffer.push(delivery);
        this.#wake?.();
      });
    } catch (error) {
      this.#owner.forgetStream();
      throw error;
    }
  }

  async #cancel(): Promise<number> {
    await this.#starting?.catch(() => undefined);
    this.#wake?.();
    await this.#consumer?.cancel().catch(() => undefined);
    for (const delivery of this.#buffer.splice(0)) {
      // What came with noAck is gone; what is stale the broker delivers again by itself.
      if (delivery.isSettled || delivery.isStale) continue;
      if (delivery.nack({ requeue: true }) === 'sent') this.#requeued += 1;
    }
    this.#owner.forgetStream();
    return this.#requeued;
  }

  /** Deliveries of a life that is over come again: the old ones must not be handed out as well. */
  #takeFresh(): Delivery<Body, Headers> | undefined {
    for (;;) {
      const delivery = this.#buffer.shift();
      if (!delivery?.isStale || delivery.isSettled) return delivery;
    }
  }

  async #finishFailed(cause: AmqpError): Promise<Result<Body, Headers>> {
    await this.cancel();
    // Closed by the user: an ordinary end of the loop.
    if (cause instanceof ChannelClosedError || cause instanceof ConnectionClosedError) {
      return { done: true, value: undefined };
    }
    throw cause;
  }

  #nextChange(limit: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const timer = Number.isFinite(limit) ? setTimeout(resolve, limit) : undefined;
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
