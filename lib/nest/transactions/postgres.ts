/**
 * What the PostgreSQL stores need of `pg`, by its shape: nothing is imported. And the names of tables, quoted.
 */
import { isFilledName } from '../option-checks.js';
import { ConfigurationError } from '../errors.js';

/**
 * Whatever runs a statement with values for `$1`, `$2`, ...: a client of `pg`, or an adapter around the transaction of
 * another library.
 */
export interface PostgresExecutor {
  query(text: string, values?: unknown[]): Promise<unknown>;
}

/** A client that was taken from a pool, as `pg.PoolClient`. */
export interface PostgresClient extends PostgresExecutor {
  /** With a true value or an error: it is closed, and does not go back. */
  release(destroy?: Error | boolean): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'notification', listener: (notification: { channel: string }) => void): unknown;
  off(event: 'error', listener: (error: Error) => void): unknown;
}

/** As `pg.Pool`, whose promise comes too late: an error that a client meets right after it was given out would go unheard. */
export interface PostgresPool {
  connect(callback: (error: Error | undefined, client: PostgresClient | undefined) => void): void;
  /** As far as the pool says them. */
  readonly options?: { readonly max?: number | undefined } | undefined;
}

/** What `pg` answers a statement with. */
export interface PostgresResult<Row = Record<string, unknown>> {
  readonly rows: readonly Row[];
  readonly rowCount: number | null;
  readonly command: string;
}

/** Throws ConfigurationError for what is no pool. */
export function checkPool(pool: unknown, where: string): asserts pool is PostgresPool {
  const { connect } = (pool ?? {}) as { connect?: unknown };
  if (typeof connect === 'function') return;
  throw new ConfigurationError(where, 'its first argument must be a pool of clients, such as new Pool() of "pg"');
}

/** Longer names are cut by PostgreSQL without a word. */
const longestName = 63;

/** An identifier as SQL has it, whatever stands in it. Throws ConfigurationError for one that cannot be a name. */
export function quoted(name: unknown, where: string, option: string): string {
  let problem = isFilledName(name);
  if (typeof name === 'string') {
    if (Buffer.byteLength(name) > longestName) problem = `is over ${String(longestName)} bytes long`;
    if (name.includes('\0')) problem = 'must not contain a NUL character';
  }
  if (problem !== undefined) throw new ConfigurationError(where, `option "${option}" ${problem}`);
  return `"${String(name).replaceAll('"', '""')}"`;
}

/** Table and, where given, schema: `"schema"."table"`. */
export function quotedTable(table: unknown, schema: unknown, where: string): string {
  const name = quoted(table, where, 'table');
  return schema === undefined ? name : `${quoted(schema, where, 'schema')}.${name}`;
}
