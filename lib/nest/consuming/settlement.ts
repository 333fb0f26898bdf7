/** The one settlement of a delivery, by a handler's hand or by its policy. */
import {
  AlreadySettledError,
  ArgumentError,
  WrongStateError,
  type Delivery,
  type SettlementResult,
} from '../../amqp/index.js';
import { isMilliseconds } from '../option-checks.js';

/** What a settlement needs of the consumer: to put a copy elsewhere. Resolves when it was confirmed. */
export interface Moves {
  /** Into the parking queue. */
  park(reason: string, error: unknown): Promise<void>;
  /** Into a delay queue, and so back. */
  retry(delay: number, reason: string, error: unknown): Promise<void>;
}

/** How it ended: what `nack` and `reject` mean by their `requeue`, and whether anything was sent at all. */
export type SettlementOutcome = 'ack' | 'requeue' | 'dead-letter' | 'drop' | 'park' | 'retry' | 'stale';

export type SettlementKind = 'ack' | 'nack' | 'reject' | 'requeue' | 'deadLetter' | 'drop' | 'park' | 'retry';

/**
 * Settles one delivery, once: a second settlement throws AlreadySettledError. `stale` means that its channel is gone
 * and nothing was sent: the broker delivers the message again.
 */
export class Settlement {
  readonly #delivery: Delivery;
  readonly #moves: Moves;
  #claimed: SettlementKind | undefined;
  #outcome: SettlementOutcome | undefined;
  #whyNotDone: string | undefined;

  /** Made for each delivery. */
  constructor(delivery: Delivery, moves: Moves) {
    this.#delivery = delivery;
    this.#moves = moves;
  }

  /** True once the delivery was settled, or is being moved. */
  get isSettled(): boolean {
    return this.#claimed !== undefined || this.#delivery.isSettled;
  }

  /** @internal By which of these methods it was settled, or is being moved. */
  get kind(): SettlementKind | undefined {
    return this.#claimed;
  }

  /** @internal How it was settled; undefined before, and where that was not by one of these methods. */
  get outcome(): SettlementOutcome | undefined {
    return this.#outcome;
  }

  /**
   * @internal While there is a reason, what says that the message is done with (ack, drop) is a WrongStateError: who decides
   * that still has to write it down.
   */
  refuseDone(reason: string | undefined): void {
    this.#whyNotDone = reason;
  }

  /** basic.ack: done with. */
  ack(): SettlementResult {
    this.#claimDone('ack');
    return this.#note('ack', this.#delivery.ack());
  }

  /** basic.nack: back to the queue, or without `requeue` as `deadLetter`. `requeue` is true unless said. */
  nack(options: { requeue?: boolean | undefined } = {}): SettlementResult {
    this.#claim('nack');
    return this.#putBack(options.requeue ?? true, (requeue) => this.#delivery.nack({ requeue }));
  }

  /** basic.reject: as `nack`. */
  reject(options: { requeue?: boolean | undefined } = {}): SettlementResult {
    this.#claim('reject');
    return this.#putBack(options.requeue ?? true, (requeue) => this.#delivery.reject({ requeue }));
  }

  /** Back to the queue: it is delivered again at once. */
  requeue(): SettlementResult {
    this.#claim('requeue');
    return this.#putBack(true, (requeue) => this.#delivery.nack({ requeue }));
  }

  /** To the dead-letter exchange of the queue; without one the message is dropped. */
  deadLetter(): SettlementResult {
    this.#claim('deadLetter');
    return this.#putBack(false, (requeue) => this.#delivery.nack({ requeue }));
  }

  /** Done with, without having been handled. */
  drop(): SettlementResult {
    this.#claimDone('drop');
    return this.#note('drop', this.#delivery.ack());
  }

  /**
   * A copy with the reason to the parking queue `<queue>.parked`, then ack. Where the copy cannot be put there, rejects
   * with the PublishError, and the message is still yours to settle.
   */
  park(reason = 'parked by its handler', error?: unknown): Promise<SettlementResult> {
    return this.#move('park', () => this.#moves.park(reason, error));
  }

  /**
   * Tried again after `delay` milliseconds: a copy into the delay queue `leveret.delay.<milliseconds>`, with one more in its
   * count of attempts; then ack. However often it was tried before: that is yours to look at (`AmqpContext.attempts`). Each
   * distinct delay is a queue: take few. Rejects as `park`, with DelayUnavailableError where there is no delay queue and none
   * may be declared, and ArgumentError for a `delay` that is no number of milliseconds.
   */
  async retry(delay: number, reason = 'retried by its handler', error?: unknown): Promise<SettlementResult> {
    const problem = isMilliseconds(delay);
    if (problem !== undefined) throw new ArgumentError('delay', problem);
    return this.#move('retry', () => this.#moves.retry(delay, reason, error));
  }

  async #move(kind: 'park' | 'retry', move: () => Promise<void>): Promise<SettlementResult> {
    this.#claim(kind);
    try {
      await move();
    } catch (failure) {
      this.#claimed = undefined;
      throw failure;
    }
    return this.#note(kind, this.#delivery.ack());
  }

  #putBack(requeue: boolean, settle: (requeue: boolean) => SettlementResult): SettlementResult {
    return this.#note(requeue ? 'requeue' : 'dead-letter', settle(requeue));
  }

  #note(outcome: SettlementOutcome, result: SettlementResult): SettlementResult {
    this.#outcome = result === 'stale' ? 'stale' : outcome;
    return result;
  }

  #claimDone(kind: SettlementKind): void {
    if (this.#whyNotDone !== undefined) throw new WrongStateError(`${kind}: ${this.#whyNotDone}`);
    this.#claim(kind);
  }

  #claim(kind: SettlementKind): void {
    if (this.isSettled) {
      throw new AlreadySettledError(`${kind}: delivery ${String(this.#delivery.deliveryTag)} was settled before`);
    }
    this.#claimed = kind;
  }
}
