import type { OnApplicationShutdown } from '@nestjs/common';
import { PostgresIdempotencyStore } from 'leveret';
import type { Pool, PoolClient } from 'pg';
import { openPool } from '../database.js';
import { MailBook, type MailStorage } from './mail-book.js';

/** An order may stand there twice, as far as the table is concerned: that none does is what the books are to show. */
const tables = `
  CREATE TABLE IF NOT EXISTS mails (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id uuid NOT NULL
  );`;

/** All in one database, whose tables are made where they are missing. */
export async function openMailDatabase(url: string): Promise<MailStorage> {
  const pool = openPool(url);
  const keys = new PostgresIdempotencyStore(pool);
  await keys.createTables();
  await pool.query(tables);
  return { book: new PostgresMailBook(pool), keys };
}

class PostgresMailBook extends MailBook implements OnApplicationShutdown {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    super();
    this.#pool = pool;
  }

  async enter(orderId: string, transaction: PoolClient): Promise<void> {
    await transaction.query('INSERT INTO mails (order_id) VALUES ($1)', [orderId]);
  }

  /** The consumers have ended by now. */
  async onApplicationShutdown(): Promise<void> {
    await this.#pool.end();
  }
}
