/**
 * Keys in PostgreSQL, in one of two modes:
 *
 * - `transaction`: the key and the handler's own writes commit together.
 * - `lease`: a key is claimed, the handler runs outside of any transaction, then the key is done. For as long as the process
 *   lives the claim is renewed; it runs out some time after the process died.
 */
import { randomUUID } from 'node:crypto';
import { ConfigurationError, describeError } from '../errors.js';
import { faultsOf, isFilledName, isMilliseconds, isOneOf, isWhole } from '../option-checks.js';
import { BorrowedClient } from '../transactions/borrowed-client.js';
import { checkPool, quoted, quotedTable, type PostgresClient, type PostgresPool } from '../transactions/postgres.js';
import { claimStatement, type Claim } from './claim-statement.js';
import { IdempotencyStoreError } from './errors.js';
import type { IdempotencyKey, IdempotencyStore, ProtectOptions, ProtectOutcome } from './idempotency-store.js';

const where = 'PostgresIdempotencyStore';
const defaults = { table: 'leveret_idempotency', lease: 60_000, timeout: 5_000 };

/** Of the transaction that the handler works in. */
const savepoint = 'leveret_handler';

const ended =
  'the handler itself ended the transaction that its key is in (COMMIT or ROLLBACK), which is not its to end: what it wrote may be there or not';

/** What PostgreSQL answers at the end where that is no longer the transaction in which the key was claimed: its codes. */
const notOurs: ReadonlyMap<unknown, string> = new Map([
  ['25P02', 'nothing was committed: a statement failed in the transaction of the handler, and the handler went on'],
  ['25P01', ended],
  ['3B001', ended],
]);

export interface PostgresIdempotencyStoreOptions {
  /**
   * `transaction` (default): what the handler writes by `@Transaction()` or `currentTransaction()` commits together with its
   * key. `lease`: for handlers whose effects are elsewhere; there is no transaction, and a crash between the end of the
   * handler and the remembering of its key repeats the handler.
   */
  mode?: 'transaction' | 'lease' | undefined;
  /** Default `leveret_idempotency`. */
  table?: string | undefined;
  /** Default: the first of the connection's search path. */
  schema?: string | undefined;
  /**
   * Of the mode `lease`: milliseconds after the death of a process until its messages may be handled by another; and so after
   * the `timeout` of a handler that hangs. Claims are renewed three times in that time. Default 60 000.
   */
  lease?: number | undefined;
  /** Milliseconds that PostgreSQL has for each step: to connect, to claim a key, to commit. Default 5 000. */
  timeout?: number | undefined;
}

/** The clock is the database's. */
export class PostgresIdempotencyStore implements IdempotencyStore<PostgresClient | undefined> {
  readonly #pool: PostgresPool;
  readonly #isLeasing: boolean;
  readonly #lease: number;
  readonly #limit: number;
  readonly #schema: string | undefined;
  readonly #index: string;
  readonly #table: string;
  readonly #claim: string;

  /** `pool` is a `Pool` of `pg`, which stays yours to end. Throws ConfigurationError for options that are unknown or wrong. */
  constructor(pool: PostgresPool, options: PostgresIdempotencyStoreOptions = {}) {
    checkPool(pool, where);
    const faults = faultsOf(options, {
      mode: isOneOf('transaction', 'lease'),
      table: isFilledName,
      schema: isFilledName,
      lease: isWhole(1_000, 86_400_000),
      timeout: (value) => (value === 0 ? 'must not be 0' : isMilliseconds(value)),
    });
    if (faults.length > 0) throw new ConfigurationError(where, faults.join('; '));
    const { table = defaults.table, schema } = options;
    this.#pool = pool;
    this.#isLeasing = options.mode === 'lease';
    this.#lease = options.lease ?? defaults.lease;
    this.#limit = options.timeout ?? defaults.timeout;
    this.#table = quotedTable(table, schema, where);
    this.#schema = schema === undefined ? undefined : quoted(schema, where, 'schema');
    this.#index = quoted(`${table.slice(0, 45)}_expires`, where, 'table');
    this.#claim = claimStatement(this.#table);
  }

  /** What `createTables` runs, for a migration of your own. May be run again. */
  get tables(): string {
    return [
      ...(this.#schema === undefined ? [] : [`CREATE SCHEMA IF NOT EXISTS ${this.#schema};`]),
      `CREATE TABLE IF NOT EXISTS ${this.#table} (`,
      '  scope text NOT NULL,',
      '  key text NOT NULL,',
      '  owner uuid,',
      '  expires_at timestamptz NOT NULL,',
      '  PRIMARY KEY (scope, key)',
      ');',
      `CREATE INDEX IF NOT EXISTS ${this.#index} ON ${this.#table} (expires_at);`,
    ].join('\n');
  }

  /** Creates the table and its index where they are missing. Rejects with IdempotencyStoreError. */
  async createTables(): Promise<void> {
    await this.#withClient(async (client) => {
      // Two that create it at a time would get in each other's way.
      await client.query('BEGIN');
      await client.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [this.#table]);
      await client.query(this.tables);
      await client.query('COMMIT');
    });
  }

  async protect(
    key: IdempotencyKey,
    work: (transaction: PostgresClient | undefined) => Promise<void>,
    options: ProtectOptions,
  ): Promise<ProtectOutcome> {
    return this.#isLeasing
      ? this.#protectByLease(key, () => work(undefined), options)
      : this.#protectInTransaction(key, work, options);
  }

  async forgetOld(limit: number): Promise<number> {
    return this.#withClient(async (client) => {
      const { rowCount } = await client.query(
        `DELETE FROM ${this.#table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${this.#table} ` +
          'WHERE expires_at < clock_timestamp() LIMIT $1 FOR UPDATE SKIP LOCKED))',
        [limit],
      );
      return rowCount ?? 0;
    });
  }

  // --- transaction --------------------------------------------------------------------------------

  async #protectInTransaction(
    key: IdempotencyKey,
    work: (transaction: PostgresClient) => Promise<void>,
    options: ProtectOptions,
  ): Promise<ProtectOutcome> {
    const borrowed = await this.#take();
    try {
      const outcome = await this.#begin(borrowed, key, options.keep);
      if (outcome !== 'done') {
        await rollBack(borrowed);
        return outcome;
      }
      await this.#work(borrowed, work, options.signal);
      await this.#commit(borrowed);
      return 'done';
    } finally {
      borrowed.giveBack();
    }
  }

  async #begin(borrowed: BorrowedClient, key: IdempotencyKey, keep: number): Promise<ProtectOutcome> {
    return this.#told(borrowed, async () => {
      // The savepoint tells at the end whether this is still the same transaction; one query for both.
      await borrowed.query(`BEGIN; SAVEPOINT ${savepoint}`);
      return this.#tryClaim(borrowed, key, null, keep);
    });
  }

  /** Rejects with the work's error; by then it is rolled back, or its connection is closed, which does the same. */
  async #work(
    borrowed: BorrowedClient,
    work: (transaction: PostgresClient) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    let stopListening = (): void => undefined;
    const given = new Promise<never>((_resolve, reject) => {
      const giveUp = (): void => {
        // Who goes on with it all the same must get nothing done: the message may be at work elsewhere by then.
        borrowed.destroy(signal.reason as Error);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', giveUp, { once: true });
      stopListening = () => {
        signal.removeEventListener('abort', giveUp);
      };
      if (signal.aborted) giveUp();
    });
    try {
      await Promise.race([work(borrowed.client), given]);
    } catch (error) {
      if (!borrowed.ended.aborted) await rollBack(borrowed);
      throw error;
    } finally {
      stopListening();
    }
  }

  async #commit(borrowed: BorrowedClient): Promise<void> {
    try {
      // One query: where the first statement fails, the second is not carried out.
      await borrowed.query(`RELEASE SAVEPOINT ${savepoint}; COMMIT`);
    } catch (error) {
      const reason = notOurs.get(codeOf(error));
      if (reason === undefined) {
        borrowed.destroy(error as Error);
        throw storeError(error);
      }
      await rollBack(borrowed);
      throw new IdempotencyStoreError(reason, { cause: error });
    }
  }

  // --- lease --------------------------------------------------------------------------------------

  async #protectByLease(
    key: IdempotencyKey,
    work: () => Promise<void>,
    options: ProtectOptions,
  ): Promise<ProtectOutcome> {
    const owner = randomUUID();
    // Where the answer is lost, the key may be claimed by nobody: it is free when the lease has run out.
    const outcome = await this.#withClient((client) => this.#tryClaim(client, key, owner, this.#lease));
    if (outcome !== 'done') return outcome;
    const renewing = setInterval(() => {
      // Nobody waits for the handler any more: should it hang, its message is not to wait for it for ever.
      if (options.signal.aborted) {
        clearInterval(renewing);
        return;
      }
      // One that fails is followed by others before the lease runs out.
      this.#changeClaim(key, owner, owner, this.#lease).catch(() => undefined);
    }, this.#lease / 3);
    try {
      await work();
    } catch (error) {
      // Where this fails the key is free when its lease has run out.
      await this.#release(key, owner).catch(() => undefined);
      throw error;
    } finally {
      clearInterval(renewing);
    }
    if (await this.#changeClaim(key, owner, null, options.keep)) return 'done';
    throw new IdempotencyStoreError(
      'the lease ran out while the handler ran, and somebody else may have taken the message',
    );
  }

  /** Answers whether the claim was still there. */
  async #changeClaim(key: IdempotencyKey, owner: string, next: string | null, time: number): Promise<boolean> {
    return this.#withClient(async (client) => {
      const { rowCount } = await client.query(
        `UPDATE ${this.#table} SET owner = $4, expires_at = clock_timestamp() + $5 * interval '1 millisecond' ` +
          'WHERE scope = $1 AND key = $2 AND owner = $3',
        [key.scope, key.key, owner, next, time],
      );
      return rowCount === 1;
    });
  }

  async #release(key: IdempotencyKey, owner: string): Promise<void> {
    await this.#withClient((client) =>
      client.query(`DELETE FROM ${this.#table} WHERE scope = $1 AND key = $2 AND owner = $3`, [
        key.scope,
        key.key,
        owner,
      ]),
    );
  }

  // --- both ---------------------------------------------------------------------------------------

  async #tryClaim(
    client: BorrowedClient,
    { scope, key }: IdempotencyKey,
    owner: string | null,
    time: number,
  ): Promise<ProtectOutcome> {
    const lock = JSON.stringify([this.#table, scope, key]);
    const { rows } = await client.query<Claim>(this.#claim, [scope, key, owner, time, lock]);
    const [claim] = rows;
    if (claim?.claimed === true) return 'done';
    return claim?.done === true ? 'repeated' : 'in-use';
  }

  async #withClient<Result>(work: (client: BorrowedClient) => Promise<Result>): Promise<Result> {
    const borrowed = await this.#take();
    try {
      return await this.#told(borrowed, () => work(borrowed));
    } finally {
      borrowed.giveBack();
    }
  }

  async #take(): Promise<BorrowedClient> {
    try {
      return await BorrowedClient.take(this.#pool, this.#limit);
    } catch (error) {
      throw storeError(error);
    }
  }

  /** What fails here is the store's, and the client may be in the middle of something. */
  async #told<Result>(borrowed: BorrowedClient, step: () => Promise<Result>): Promise<Result> {
    try {
      return await step();
    } catch (error) {
      borrowed.destroy(error as Error);
      throw storeError(error);
    }
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** Never rejects: a client that cannot is closed, which does the same. */
async function rollBack(borrowed: BorrowedClient): Promise<void> {
  try {
    await borrowed.query('ROLLBACK');
  } catch (error) {
    borrowed.destroy(error as Error);
  }
}

function storeError(error: unknown): IdempotencyStoreError {
  if (error instanceof IdempotencyStoreError) return error;
  const { name, message } = describeError(error, 300);
  return new IdempotencyStoreError(`${name}: ${message}`, { cause: error });
}
