/** A line of which batches are taken: as soon as one is full, or its first message waited for long enough. */
import type { Delivery } from '../../amqp/index.js';
import type { AmqpContext } from '../consuming/amqp-context.js';
import type { ConsumerRun } from '../consuming/consumer-run.js';
import { BatchRun, Seat, type BatchHandler } from './batch-run.js';
import { Fifo } from './fifo.js';
import type { WaitingLine } from './waiting-line.js';

export interface BatchLineParts {
  readonly handler: BatchHandler;
  readonly size: number;
  /** Milliseconds. */
  readonly wait: number;
  /** A batch that is not full may be taken. */
  onReady(): void;
}

export class BatchLine implements WaitingLine {
  readonly #parts: BatchLineParts;
  readonly #runs = new Fifo<ConsumerRun>();
  /** Of the messages of batches at work. */
  readonly #seats = new Map<Delivery, Seat>();
  /** The first of them waited for long enough. */
  #isDue = false;
  /** When it will have; as performance.now() tells it. */
  #dueAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: BatchLineParts) {
    this.#parts = parts;
  }

  /** What a message calls in place of its handler. */
  readonly invoke = (payload: unknown, context: AmqpContext): Promise<void> => {
    const { delivery } = context;
    return (this.#seats.get(delivery) ?? new Seat(this.#parts.handler)).take(payload, context);
  };

  push(run: ConsumerRun): void {
    this.#runs.push(run);
    if (this.#runs.size === 1) this.#await();
  }

  next(): ConsumerRun | undefined {
    const { size, handler } = this.#parts;
    // What was lost with its connection comes again.
    while (this.#runs.head?.delivery.isStale === true) this.#runs.shift();
    if (this.#runs.size < size && !this.#isDue) return undefined;
    const members = [];
    while (members.length < size) {
      const run = this.#runs.shift();
      if (!run) break;
      const seat = new Seat(handler);
      this.#seats.set(run.delivery, seat);
      members.push({ run, seat });
    }
    this.#await();
    const [first, ...others] = members;
    return first && new BatchRun(handler, [first, ...others]);
  }

  done(run: ConsumerRun): void {
    if (run instanceof BatchRun) for (const delivery of run.deliveries) this.#seats.delete(delivery);
  }

  takeAll(): readonly ConsumerRun[] {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isDue = false;
    return this.#runs.takeAll();
  }

  get oldestTag(): number | undefined {
    return this.#runs.head?.delivery.deliveryTag;
  }

  /** From now on for the one that is first now. A timer that runs already serves: it looks again where it is too early. */
  #await(): void {
    this.#isDue = false;
    if (this.#runs.size === 0) return;
    this.#dueAt = performance.now() + this.#parts.wait;
    this.#timer ??= setTimeout(() => this.#look(), this.#parts.wait);
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#runs.size === 0) return;
    const left = this.#dueAt - performance.now();
    // Timers may come a little early.
    if (left > 1) this.#timer = setTimeout(() => this.#look(), left);
    else {
      this.#isDue = true;
      this.#parts.onReady();
    }
  }
}
