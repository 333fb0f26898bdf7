/** An outbox in a table of PostgreSQL. */
import { createHash } from 'node:crypto';
import { ArgumentError } from '../../amqp/index.js';
import { ConfigurationError, describeError } from '../errors.js';
import { faultsOf, isBoolean, isFilledName, isMilliseconds } from '../option-checks.js';
import { BorrowedClient } from '../transactions/borrowed-client.js';
import { checkPool, quoted, quotedTable, type PostgresExecutor, type PostgresPool } from '../transactions/postgres.js';
import { OutboxStoreError } from './errors.js';
import type {
  FailedMessage,
  OutboxCounts,
  OutboxMessage,
  OutboxStore,
  RelayPublish,
  RelayVerdict,
  StoredMessage,
} from './outbox-store.js';
import { outboxStatements, type OutboxStatements } from './postgres-statements.js';
import { listen } from './postgres-wake-up.js';
import { readProperties, writeProperties } from './stored-properties.js';

const where = 'PostgresOutboxStore';
const defaults = { table: 'leveret_outbox', timeout: 5_000 };
/** Milliseconds of silence in a round after which PostgreSQL ends it: its relay is gone, and another may go on. */
const longestSilence = 60_000;
/**
 * Milliseconds between two notifications: PostgreSQL commits transactions that notify one after the other, each with a write to
 * the disk of its own. A relay that found something looks again soon, by itself.
 */
const tellingInterval = 100;

export interface PostgresOutboxStoreOptions {
  /** Default `leveret_outbox`. */
  table?: string | undefined;
  /** Default: the first of the connection's search path. */
  schema?: string | undefined;
  /**
   * True: who adds tells the relay (NOTIFY), which listens on a client of its own. False: the relay looks, and a pooler between
   * may be one that has no sessions. Default true, but false where the pool has one client only.
   */
  notify?: boolean | undefined;
  /** Milliseconds that PostgreSQL has for each step of the relay. Default 5 000. */
  timeout?: number | undefined;
}

interface Row {
  readonly id: string;
  readonly key: string | null;
  readonly exchange: string;
  readonly routing_key: string;
  readonly properties: string;
  readonly attempts: number;
}

interface DueRow extends Row {
  readonly body: Uint8Array;
  readonly mandatory: boolean;
  readonly delay: number;
}

interface FailedRow extends Row {
  readonly error: string;
  readonly blocks: boolean;
  readonly added_at: Date;
  readonly failed_at: Date;
}

/**
 * A transaction is whatever runs a statement in yours: a client of `pg` on which you said BEGIN, or `{ query(text, values) }`
 * around that of another library. Of one key, transactions wait for each other from `publish` to their end.
 */
export class PostgresOutboxStore implements OutboxStore<PostgresExecutor> {
  readonly #pool: PostgresPool;
  readonly #limit: number;
  readonly #channel: string | undefined;
  readonly #statements: OutboxStatements;
  #nextTelling = 0;

  /** `pool` is a `Pool` of `pg`, which stays yours to end. Throws ConfigurationError for options that are unknown or wrong. */
  constructor(pool: PostgresPool, options: PostgresOutboxStoreOptions = {}) {
    checkPool(pool, where);
    const faults = faultsOf(options, {
      table: isFilledName,
      schema: isFilledName,
      notify: isBoolean,
      timeout: (value) => (value === 0 ? 'must not be 0' : isMilliseconds(value)),
    });
    if (faults.length > 0) throw new ConfigurationError(where, faults.join('; '));
    // The only client would be taken for good.
    const canListen = pool.options?.max !== 1;
    if (options.notify === true && !canListen) {
      throw new ConfigurationError(where, 'option "notify" needs a pool of two clients or more');
    }
    const { table = defaults.table, schema, notify = canListen } = options;
    this.#pool = pool;
    this.#limit = options.timeout ?? defaults.timeout;
    const name = quotedTable(table, schema, where);
    this.#channel = notify ? `leveret_${createHash('sha256').update(name).digest('hex').slice(0, 32)}` : undefined;
    this.#statements = outboxStatements({
      table: name,
      schema: schema === undefined ? undefined : quoted(schema, where, 'schema'),
      prefix: table.slice(0, 40),
      channel: this.#channel,
    });
  }

  /** What `createTables` runs, for a migration of your own. May be run again. */
  get tables(): string {
    return this.#statements.tables;
  }

  /** Creates the table and its indexes where they are missing. Rejects with OutboxStoreError. */
  async createTables(): Promise<void> {
    await this.#withClient(async (client) => {
      // Two that create it at a time would get in each other's way.
      await client.query('BEGIN');
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [this.tables]);
      await client.query(this.tables);
      await client.query('COMMIT');
    });
  }

  /** Rejects with what your transaction's `query` rejects with: it is yours, and is to be rolled back. */
  async add(transaction: PostgresExecutor, messages: readonly OutboxMessage[]): Promise<void> {
    if (!runsStatements(transaction)) {
      throw new ArgumentError('transaction', 'must be what runs statements in it: { query(text, values) }');
    }
    if ((transaction as unknown) === this.#pool) {
      throw new ArgumentError('transaction', 'is the pool, which has none: take a client of it, and BEGIN');
    }
    const entries = messages.map((message, n) => ({
      n,
      key: message.key ?? null,
      exchange: message.exchange,
      routing_key: message.routingKey,
      body: bytesOf(message.body).toString('base64'),
      properties: writeProperties(message.properties),
      mandatory: message.mandatory,
      delay: message.delay,
    }));
    const now = performance.now();
    const isTelling = now >= this.#nextTelling;
    if (isTelling) this.#nextTelling = now + tellingInterval;
    await transaction.query(isTelling ? this.#statements.addAndTell : this.#statements.add, [JSON.stringify(entries)]);
  }

  async relay(limit: number, publish: RelayPublish): Promise<number> {
    return this.#withClient(async (client) => {
      // Each statement has to see what another relay did before this one had the lock.
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
      const { rows: began } = await client.query<{ taken: boolean }>(this.#statements.begin, [String(longestSilence)]);
      const isMine = began[0]?.taken === true;
      const { rows } = isMine ? await client.query<DueRow>(this.#statements.due, [limit]) : { rows: [] };
      if (rows.length > 0) await this.#follow(client, await publish(rows.map(storedMessage), client.ended));
      await client.query('COMMIT');
      return rows.length;
    });
  }

  async failed(limit: number): Promise<readonly FailedMessage[]> {
    return this.#withClient(async (client) => {
      const { rows } = await client.query<FailedRow>(this.#statements.failed, [limit]);
      return rows.map(failedMessage);
    });
  }

  async retry(ids: readonly string[] | undefined): Promise<number> {
    return this.#change(this.#statements.retry, ids);
  }

  async discard(ids: readonly string[]): Promise<number> {
    return this.#change(this.#statements.discard, ids);
  }

  async count(): Promise<OutboxCounts> {
    return this.#withClient(async (client) => {
      const { rows } = await client.query<{ waiting: string; failed: string }>(this.#statements.count);
      return { waiting: Number(rows[0]?.waiting), failed: Number(rows[0]?.failed) };
    });
  }

  onAdded(listener: () => void): () => void {
    return this.#channel === undefined ? () => undefined : listen(this.#pool, this.#channel, this.#limit, listener);
  }

  async #follow(client: BorrowedClient, verdicts: readonly RelayVerdict[]): Promise<void> {
    const published = verdicts.filter(({ outcome }) => outcome === 'published').map(({ id }) => id);
    const refused = verdicts.flatMap((verdict) =>
      verdict.outcome === 'published'
        ? []
        : {
            id: verdict.id,
            error: verdict.error.replaceAll('\0', ' '),
            delay: verdict.outcome === 'refused' ? verdict.delay : null,
            blocks: verdict.outcome === 'set-aside' && verdict.blocks,
          },
    );
    if (published.length > 0) await client.query(this.#statements.published, [published]);
    if (refused.length > 0) await client.query(this.#statements.refused, [JSON.stringify(refused)]);
  }

  async #change(statement: string, ids: readonly string[] | undefined): Promise<number> {
    if (ids?.some((id) => !/^\d{1,18}$/.test(id)) === true)
      throw new ArgumentError('ids', 'hold one that is none of ours');
    return this.#withClient(async (client) => (await client.query(statement, [ids ?? null])).rowCount ?? 0);
  }

  async #withClient<Result>(work: (client: BorrowedClient) => Promise<Result>): Promise<Result> {
    try {
      const borrowed = await BorrowedClient.take(this.#pool, this.#limit);
      try {
        return await work(borrowed);
      } catch (error) {
        // It may be in the middle of something, which is rolled back with it.
        borrowed.destroy(error as Error);
        throw error;
      } finally {
        borrowed.giveBack();
      }
    } catch (error) {
      const { name, message } = describeError(error, 300);
      throw new OutboxStoreError(`${name}: ${message}`, { cause: error });
    }
  }
}

function runsStatements(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as PostgresExecutor).query === 'function';
}

function bytesOf(body: Uint8Array): Buffer {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

function storedMessage(row: DueRow): StoredMessage {
  return {
    id: row.id,
    key: row.key ?? undefined,
    exchange: row.exchange,
    routingKey: row.routing_key,
    body: row.body,
    properties: readProperties(row.properties),
    mandatory: row.mandatory,
    delay: row.delay,
    attempts: row.attempts,
  };
}

function failedMessage(row: FailedRow): FailedMessage {
  return {
    id: row.id,
    messageId: readProperties(row.properties).messageId,
    key: row.key ?? undefined,
    exchange: row.exchange,
    routingKey: row.routing_key,
    attempts: row.attempts,
    error: row.error,
    blocks: row.blocks,
    addedAt: row.added_at,
    failedAt: row.failed_at,
  };
}
