import { Injectable } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { Ack, Consume, Idempotent, Outbox, Transaction } from 'leveret';
import { names } from '../names.js';
import { PlacedOrder, type AcceptedOrder } from '../order.dto.js';
import { retry } from '../retry.js';
import type { ShopEvents } from '../shop-events.js';
import { OrderBook } from './order-book.js';
import { UnknownArticleError } from './unknown-article.error.js';

@Injectable()
export class OrdersConsumer {
  constructor(
    private readonly book: OrderBook,
    private readonly outbox: Outbox<ShopEvents>,
  ) {}

  /**
   * The order, its event, and the key by which its repeats are known are committed together, or not at all. The outbox
   * publishes the event then, and again where it does not know whether it did, always with the same message id.
   *
   * Where the database is away it is tried again, and parked in the end; one for an unknown article is parked at once.
   */
  @Consume({ queue: names.orders, exchange: names.shop, routingKey: 'order.placed', prefetch: 10 })
  @Ack({ retry, then: 'park', errors: [[UnknownArticleError, { retry: 0 }]] })
  @Idempotent({ scope: 'orders.place' })
  async place(@Payload() order: PlacedOrder, @Transaction() transaction: unknown): Promise<void> {
    const { id, customer, article, quantity } = order;
    const price = await this.book.priceOf(article, transaction);
    if (price === undefined) throw new UnknownArticleError(article);
    const accepted: AcceptedOrder = { id, customer, article, quantity, total: price * quantity };
    await this.book.enter(accepted, transaction);
    await this.outbox.publish(transaction, {
      exchange: names.shop,
      routingKey: 'order.accepted',
      payload: accepted,
    });
  }
}
