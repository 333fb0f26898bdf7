import { Injectable } from '@nestjs/common';
import type { OrderDto } from './order.dto.js';

/** The answer to a request for the totals. */
export interface Totals {
  /** Unique orders. */
  readonly handled: number;
  /** Unique malformed messages. */
  readonly deadLettered: number;
  /** Sum of all orders, in cents. */
  readonly revenue: number;
  /** Deliveries of what was counted before. */
  readonly repeats: number;
}

/**
 * Counts every order once, however often it is delivered: after a lost connection the broker sends again what was not
 * acknowledged, and the publisher what was not confirmed. (An application would ask its database instead of a Set.)
 */
@Injectable()
export class Ledger {
  readonly #orders = new Set<string>();
  readonly #deadLetters = new Set<string>();
  #revenue = 0;
  #repeats = 0;

  addOrder(order: OrderDto): void {
    if (this.#isRepeat(this.#orders, order.id)) return;
    for (const { quantity, unitPrice } of order.items) this.#revenue += quantity * unitPrice;
  }

  addDeadLetter(messageId: string): void {
    this.#isRepeat(this.#deadLetters, messageId);
  }

  totals(): Totals {
    return {
      handled: this.#orders.size,
      deadLettered: this.#deadLetters.size,
      revenue: this.#revenue,
      repeats: this.#repeats,
    };
  }

  #isRepeat(known: Set<string>, id: string): boolean {
    if (known.has(id)) {
      this.#repeats += 1;
      return true;
    }
    known.add(id);
    return false;
  }
}
