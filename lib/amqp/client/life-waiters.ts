/** Those who wait for a channel to be open again, each with a limit. */
import type { ChannelLife } from '../channel/index.js';
import { TimeoutError, type AmqpError } from '../errors.js';

interface LifeWaiter {
  readonly resolve: (life: ChannelLife) => void;
  readonly reject: (error: AmqpError) => void;
  readonly timer: NodeJS.Timeout;
}

export class LifeWaiters {
  #waiters = new Set<LifeWaiter>();

  /** Resolves with the next life; rejects with TimeoutError after `limit` milliseconds, or with what ended the channel. */
  add(step: string, limit: number): Promise<ChannelLife> {
    return new Promise<ChannelLife>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(new TimeoutError(`${step}, waiting for the channel to recover`, limit));
      }, limit);
      const waiter: LifeWaiter = { resolve, reject, timer };
      this.#waiters.add(waiter);
    });
  }

  resolve(life: ChannelLife): void {
    for (const { resolve } of this.#take()) resolve(life);
  }

  reject(cause: AmqpError): void {
    for (const { reject } of this.#take()) reject(cause);
  }

  #take(): ReadonlySet<LifeWaiter> {
    const waiters = this.#waiters;
    this.#waiters = new Set();
    for (const { timer } of waiters) clearTimeout(timer);
    return waiters;
  }
}
