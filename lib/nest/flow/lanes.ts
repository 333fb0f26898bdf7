/**
 * A line in which the deliveries of one key wait for each other, in the order in which they came, and those of different keys
 * do not. Each delivery is moved a fixed number of times, and nothing is kept of a key that has none.
 */
import type { ConsumerRun } from '../consuming/consumer-run.js';
import { Fifo } from './fifo.js';
import type { KeyOf } from './ordering.js';
import type { WaitingLine } from './waiting-line.js';

/** What waits behind the delivery of a key that is ready or at work. */
interface Lane {
  readonly key: string;
  readonly waiting: Fifo<ConsumerRun>;
}

export class Lanes implements WaitingLine {
  readonly #keyOf: KeyOf;
  readonly #ready = new Fifo<ConsumerRun>();
  readonly #lanes = new Map<string, Lane>();
  /** Of deliveries that are ready or at work; those without a key have none. */
  readonly #laneOf = new Map<ConsumerRun, Lane>();

  constructor(keyOf: KeyOf) {
    this.#keyOf = keyOf;
  }

  push(run: ConsumerRun): void {
    const key = this.#read(run);
    if (key === undefined) {
      this.#ready.push(run);
      return;
    }
    const lane = this.#lanes.get(key);
    if (lane) lane.waiting.push(run);
    else {
      const opened = { key, waiting: new Fifo<ConsumerRun>() };
      this.#lanes.set(key, opened);
      this.#admit(run, opened);
    }
  }

  next(): ConsumerRun | undefined {
    return this.#ready.shift();
  }

  done(run: ConsumerRun): void {
    const lane = this.#laneOf.get(run);
    if (!lane) return;
    this.#laneOf.delete(run);
    const next = lane.waiting.shift();
    if (next) this.#admit(next, lane);
    else this.#lanes.delete(lane.key);
  }

  /** Those at work keep their lanes: what comes of their keys waits for them. */
  takeAll(): readonly ConsumerRun[] {
    const ready = this.#ready.takeAll();
    const waiting = [...this.#lanes.values()].flatMap((lane) => lane.waiting.takeAll());
    for (const run of ready) this.done(run);
    return [...ready, ...waiting].sort((one, other) => one.delivery.deliveryTag - other.delivery.deliveryTag);
  }

  get oldestTag(): number | undefined {
    let oldest = this.#ready.head?.delivery.deliveryTag;
    for (const { waiting } of this.#lanes.values()) {
      const tag = waiting.head?.delivery.deliveryTag;
      if (tag !== undefined && (oldest === undefined || tag < oldest)) oldest = tag;
    }
    return oldest;
  }

  #admit(run: ConsumerRun, lane: Lane): void {
    this.#laneOf.set(run, lane);
    this.#ready.push(run);
  }

  /** Undefined too where there is no key to be had: the delivery then fails, and waits for nobody. */
  #read(run: ConsumerRun): string | undefined {
    try {
      return this.#keyOf(run.delivery);
    } catch (error) {
      run.refuse(error as Error);
      return undefined;
    }
  }
}
