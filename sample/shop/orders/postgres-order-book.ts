import type { OnApplicationShutdown } from '@nestjs/common';
import { PostgresIdempotencyStore, PostgresOutboxStore } from 'leveret';
import type { Pool, PoolClient } from 'pg';
import type { ArticleDto } from '../article.dto.js';
import { openPool } from '../database.js';
import type { AcceptedOrder } from '../order.dto.js';
import { firstArticles, OrderBook, type OrderStorage } from './order-book.js';

/** `orders` has no unique id: that each stands there once is for the idempotent handler to see to, and for the books to show. */
const tables = `
  CREATE TABLE IF NOT EXISTS articles (article text PRIMARY KEY, price integer NOT NULL);
  CREATE TABLE IF NOT EXISTS orders (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL,
    customer text NOT NULL,
    article text NOT NULL REFERENCES articles,
    quantity integer NOT NULL,
    total integer NOT NULL
  );`;

/** All in one database, whose tables are made where they are missing. */
export async function openOrderDatabase(url: string): Promise<OrderStorage> {
  const pool = openPool(url);
  const keys = new PostgresIdempotencyStore(pool);
  const outbox = new PostgresOutboxStore(pool);
  const book = new PostgresOrderBook(pool);
  await keys.createTables();
  await outbox.createTables();
  await pool.query(tables);
  for (const article of firstArticles) await book.list(article);
  return { book, keys, outbox };
}

class PostgresOrderBook extends OrderBook implements OnApplicationShutdown {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    super();
    this.#pool = pool;
  }

  async priceOf(article: string, transaction: PoolClient): Promise<number | undefined> {
    const { rows } = await transaction.query<{ price: number }>('SELECT price FROM articles WHERE article = $1', [
      article,
    ]);
    return rows[0]?.price;
  }

  async enter({ id, customer, article, quantity, total }: AcceptedOrder, transaction: PoolClient): Promise<void> {
    await transaction.query('INSERT INTO orders (id, customer, article, quantity, total) VALUES ($1, $2, $3, $4, $5)', [
      id,
      customer,
      article,
      quantity,
      total,
    ]);
  }

  async list({ article, price }: ArticleDto): Promise<void> {
    await this.#pool.query(
      'INSERT INTO articles VALUES ($1, $2) ON CONFLICT (article) DO UPDATE SET price = excluded.price',
      [article, price],
    );
  }

  /** Consumers and relay have ended by now. */
  async onApplicationShutdown(): Promise<void> {
    await this.#pool.end();
  }
}
