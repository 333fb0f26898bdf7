import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { OrderDto } from './order.dto.js';

/**
 * Writes one mail an order, however often that is delivered: after a lost connection the broker sends again what was not
 * acknowledged, and a customer what was not confirmed. (An application would ask its database instead of a Set.)
 */
@Injectable()
export class Mailbox {
  readonly #mailed = new Set<string>();
  #underWay = 0;
  #repeats = 0;

  /** Orders that have their mail. */
  get mailed(): number {
    return this.#mailed.size;
  }

  /** Mails that are being written: their deliveries are not acknowledged. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Orders that came again after their mail. */
  get repeats(): number {
    return this.#repeats;
  }

  has(id: string): boolean {
    return this.#mailed.has(id);
  }

  async write(order: OrderDto): Promise<void> {
    this.#underWay += 1;
    try {
      await setTimeout(5);
      if (this.#mailed.has(order.id)) this.#repeats += 1;
      this.#mailed.add(order.id);
    } finally {
      this.#underWay -= 1;
    }
  }
}
