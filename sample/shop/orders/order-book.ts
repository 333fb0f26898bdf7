/** What the orders service writes down, and where: the order, its key and its event in one transaction. */
import type { IdempotencyStore, OutboxStore } from 'leveret';
import type { ArticleDto } from '../article.dto.js';
import type { AcceptedOrder } from '../order.dto.js';

export abstract class OrderBook {
  /** Cents; undefined: it is not on the list. */
  abstract priceOf(article: string, transaction: unknown): Promise<number | undefined>;

  /** As a part of the transaction, which also remembers that the order was handled. */
  abstract enter(order: AcceptedOrder, transaction: unknown): Promise<void>;

  /** Puts the article on the list, or changes its price. */
  abstract list(article: ArticleDto): Promise<void>;
}

/** The three must be in one database, or nothing is done in one transaction. */
export interface OrderStorage {
  readonly book: OrderBook;
  readonly keys: IdempotencyStore;
  readonly outbox: OutboxStore<never>;
}

/** What there is from the first day. Cents. */
export const firstArticles: readonly ArticleDto[] = [
  { article: 'hay', price: 350 },
  { article: 'carrots', price: 220 },
];
