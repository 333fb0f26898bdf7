/** For where there is no database: gone with the process. */
import { MemoryIdempotencyStore, MemoryOutboxStore, type MemoryTransaction } from 'leveret';
import type { ArticleDto } from '../article.dto.js';
import type { AcceptedOrder } from '../order.dto.js';
import { firstArticles, OrderBook, type OrderStorage } from './order-book.js';

export class MemoryOrderBook extends OrderBook {
  readonly orders: AcceptedOrder[] = [];
  readonly #prices = new Map(firstArticles.map(({ article, price }) => [article, price]));

  priceOf(article: string): Promise<number | undefined> {
    return Promise.resolve(this.#prices.get(article));
  }

  enter(order: AcceptedOrder, transaction: MemoryTransaction): Promise<void> {
    transaction.onCommit(() => this.orders.push(order));
    return Promise.resolve();
  }

  list({ article, price }: ArticleDto): Promise<void> {
    this.#prices.set(article, price);
    return Promise.resolve();
  }
}

export function ordersInMemory(book: MemoryOrderBook): OrderStorage {
  return { book, keys: new MemoryIdempotencyStore(), outbox: new MemoryOutboxStore() };
}
