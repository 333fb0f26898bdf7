/** The one settlement of a delivery, by a handler's hand or by its policy. */
import { AlreadySettledError, type Delivery, type SettlementResult } from '../../amqp/index.js';

/** What a settlement needs of the consumer: to put a copy into the parking queue. Resolves when it was confirmed. */
export type Park = (reason: string, error: unknown) => Promise<void>;

export type SettlementKind = 'ack' | 'nack' | 'reject' | 'requeue' | 'deadLetter' | 'drop' | 'park';

/**
 * Settles one delivery, once: a second settlement throws AlreadySettledError. `stale` means that its channel is gone
 * and nothing was sent: the broker delivers the message again.
 */
export class Settlement {
  readonly #delivery: Delivery;
  readonly #park: Park;
  #claimed: SettlementKind | undefined;

  /** Made for each delivery. */
  constructor(delivery: Delivery, park: Park) {
    this.#delivery = delivery;
    this.#park = park;
  }

  /** True once the delivery was settled, or is being parked. */
  get isSettled(): boolean {
    return this.#claimed !== undefined || this.#delivery.isSettled;
  }

  /** @internal By which of these methods it was settled, or is being parked. */
  get kind(): SettlementKind | undefined {
    return this.#claimed;
  }

  /** basic.ack: done with. */
  ack(): SettlementResult {
    this.#claim('ack');
    return this.#delivery.ack();
  }

  /** basic.nack: back to the queue, or without `requeue` as `deadLetter`. `requeue` is true unless said. */
  nack(options: { requeue?: boolean | undefined } = {}): SettlementResult {
    this.#claim('nack');
    return this.#delivery.nack({ requeue: options.requeue ?? true });
  }

  /** basic.reject: as `nack`. */
  reject(options: { requeue?: boolean | undefined } = {}): SettlementResult {
    this.#claim('reject');
    return this.#delivery.reject({ requeue: options.requeue ?? true });
  }

  /** Back to the queue: it is delivered again at once. */
  requeue(): SettlementResult {
    this.#claim('requeue');
    return this.#delivery.nack({ requeue: true });
  }

  /** To the dead-letter exchange of the queue; without one the message is dropped. */
  deadLetter(): SettlementResult {
    this.#claim('deadLetter');
    return this.#delivery.nack({ requeue: false });
  }

  /** Done with, without having been handled. */
  drop(): SettlementResult {
    this.#claim('drop');
    return this.#delivery.ack();
  }

  /**
   * A copy with the reason to the parking queue `<queue>.parked`, then ack. Where the copy cannot be put there, rejects
   * with the PublishError, and the message is still yours to settle.
   */
  async park(reason = 'parked by its handler', error?: unknown): Promise<SettlementResult> {
    this.#claim('park');
    try {
      await this.#park(reason, error);
    } catch (failure) {
      this.#claimed = undefined;
      throw failure;
    }
    return this.#delivery.ack();
  }

  #claim(kind: SettlementKind): void {
    if (this.isSettled) {
      throw new AlreadySettledError(`${kind}: delivery ${String(this.#delivery.deliveryTag)} was settled before`);
    }
    this.#claimed = kind;
  }
}
