/** Deliveries that wait for their turn, and which is the next. */
import type { ConsumerRun } from '../consuming/consumer-run.js';
import { Fifo } from './fifo.js';

export interface WaitingLine {
  push(run: ConsumerRun): void;
  /** The next that may start now; undefined: none. */
  next(): ConsumerRun | undefined;
  /** One that `next` gave is done. */
  done(run: ConsumerRun): void;
  /** All that wait, in the order in which they came; none waits any more. */
  takeAll(): readonly ConsumerRun[];
  /** Delivery tag of the one that waits longest. */
  readonly oldestTag: number | undefined;
}

/** One after the other, as they came. */
export class PlainLine implements WaitingLine {
  readonly #runs = new Fifo<ConsumerRun>();

  push(run: ConsumerRun): void {
    this.#runs.push(run);
  }

  next(): ConsumerRun | undefined {
    return this.#runs.shift();
  }

  done(): void {
    // Nobody waits for another.
  }

  takeAll(): readonly ConsumerRun[] {
    return this.#runs.takeAll();
  }

  get oldestTag(): number | undefined {
    return this.#runs.head?.delivery.deliveryTag;
  }
}
