import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Ack, Consume } from 'leveret';
import { Ledger } from './ledger.js';
import { names } from './names.js';
import { OrderDto } from './order.dto.js';

@Injectable()
export class OrdersConsumer {
  #unsettled = 0;

  constructor(private readonly ledger: Ledger) {}

  /** Deliveries whose handler runs, and which are therefore not acknowledged. */
  get unsettledDeliveries(): number {
    return this.#unsettled;
  }

  /** Runs for orders that passed the validation; the others, and those that fail in here, are dead-lettered. */
  @Consume({
    queue: names.orders,
    exchange: names.shop,
    routingKey: 'order.*',
    prefetch: 50,
    deadLetter: { exchange: names.deadLetterExchange },
    parking: false,
  })
  @Ack({ retry: 0, then: 'dead-letter' })
  async onOrder(order: OrderDto): Promise<void> {
    this.#unsettled += 1;
    try {
      // What a real handler would do takes its time, too.
      await setTimeout(1);
      this.ledger.addOrder(order);
    } finally {
      this.#unsettled -= 1;
    }
  }
}
