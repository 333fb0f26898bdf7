/**
 * A client of a pool, taken for a while: every step has a limit, its end is noticed, and it goes back to the pool only where
 * nobody can still be using it.
 */
import { TimeoutError } from '../../amqp/index.js';
import { within } from '../waiting.js';
import type { PostgresClient, PostgresPool, PostgresResult } from './postgres.js';

export class BorrowedClient {
  readonly client: PostgresClient;
  readonly #limit: number;
  readonly #onError: (error: Error) => void;
  readonly #ended = new AbortController();
  #isReturned = false;

  private constructor(client: PostgresClient, limit: number) {
    this.client = client;
    this.#limit = limit;
    this.#onError = (error) => {
      this.#ended.abort(error);
    };
    // Without a listener the end of its connection would be the end of the process.
    client.on('error', this.#onError);
  }

  /** Rejects with what the pool rejects with, or TimeoutError after `limit` milliseconds, which every step has. */
  static async take(pool: PostgresPool, limit: number): Promise<BorrowedClient> {
    let isLate = false;
    const taking = new Promise<BorrowedClient>((resolve, reject) => {
      pool.connect((error, client) => {
        if (!client) {
          reject(error ?? new Error('the pool gave no client'));
          return;
        }
        // At once: it may meet its end in the same turn.
        const borrowed = new BorrowedClient(client, limit);
        if (isLate) borrowed.giveBack();
        else resolve(borrowed);
      });
    });
    try {
      return await within(limit, 'waiting for a client of the pool', taking);
    } catch (error) {
      isLate = true;
      throw error;
    }
  }

  /** Aborts when its connection is gone. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** One statement. A client that does not answer in time is given up. */
  async query<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<PostgresResult<Row>> {
    const [verb = ''] = text.trimStart().split(/\s/, 1);
    const asking = values === undefined ? this.client.query(text) : this.client.query(text, values);
    try {
      return (await within(this.#limit, `PostgreSQL: ${verb}`, asking)) as PostgresResult<Row>;
    } catch (error) {
      if (error instanceof TimeoutError) this.destroy(error);
      throw error;
    }
  }

  /** Back to the pool, or closed where its connection is gone. */
  giveBack(): void {
    this.#return(this.#ended.signal.aborted);
  }

  /** Closed: what was begun in it is rolled back, and who still has it gets nothing done any more. */
  destroy(reason: Error): void {
    this.#ended.abort(reason);
    this.#return(true);
  }

  #return(isBroken: boolean): void {
    if (this.#isReturned) return;
    this.#isReturned = true;
    this.client.release(isBroken);
    // The pool listens again while it has it; one that is closed may have a last word.
    if (!isBroken) this.client.off('error', this.#onError);
  }
}
