/** The SQL of PostgresOutboxStore, for one table. Pure. */

/** Bytes of bodies that one round takes, but for its first message. */
const mostBytes = 8_000_000;

export interface OutboxNames {
  /** Quoted, with its schema where it has one. */
  readonly table: string;
  /** Quoted. */
  readonly schema: string | undefined;
  /** Beginning of the indexes' names, unquoted. */
  readonly prefix: string;
  /** That is notified; undefined: none. */
  readonly channel: string | undefined;
}

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const identifier = (text: string): string => `"${text.replaceAll('"', '""')}"`;

export type OutboxStatements = ReturnType<typeof outboxStatements>;

export function outboxStatements({ table, schema, prefix, channel }: OutboxNames) {
  const lockOf = (what: string): string => `hashtextextended(${what}, 0)`;
  const notified = channel === undefined ? '' : `, pg_notify(${literal(channel)}, '')`;
  const add = (telling: string): string =>
    [
      'WITH entry AS MATERIALIZED (SELECT * FROM json_to_recordset($1::text::json) AS entry',
      '  (n integer, key text, exchange text, routing_key text, body text, properties text, mandatory boolean, delay integer)),',
      `lock AS MATERIALIZED (SELECT count(pg_advisory_xact_lock(hash)) AS taken FROM (`,
      `  SELECT DISTINCT ${lockOf(`${literal(`${table} key `)} || key`)} AS hash FROM entry WHERE key IS NOT NULL ORDER BY 1`,
      ') AS keys),',
      `told AS MATERIALIZED (SELECT 1 AS one${telling})`,
      `INSERT INTO ${table} (key, exchange, routing_key, body, properties, mandatory, delay)`,
      `SELECT key, exchange, routing_key, decode(body, 'base64'), properties, mandatory, delay`,
      'FROM lock, told, entry WHERE lock.taken >= 0 AND told.one = 1 ORDER BY n',
    ].join('\n');
  return {
    tables: [
      ...(schema === undefined ? [] : [`CREATE SCHEMA IF NOT EXISTS ${schema};`]),
      `CREATE TABLE IF NOT EXISTS ${table} (`,
      '  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,',
      '  key text,',
      '  exchange text NOT NULL,',
      '  routing_key text NOT NULL,',
      '  body bytea NOT NULL,',
      '  properties text NOT NULL,',
      '  mandatory boolean NOT NULL,',
      '  delay integer NOT NULL,',
      '  added_at timestamptz NOT NULL DEFAULT clock_timestamp(),',
      '  attempts integer NOT NULL DEFAULT 0,',
      '  error text,',
      '  due_at timestamptz,',
      '  failed_at timestamptz,',
      '  blocks boolean NOT NULL DEFAULT false',
      ');',
      `CREATE INDEX IF NOT EXISTS ${identifier(`${prefix}_waiting`)} ON ${table} (id) WHERE failed_at IS NULL;`,
      `CREATE INDEX IF NOT EXISTS ${identifier(`${prefix}_held`)} ON ${table} (key, id)`,
      '  WHERE key IS NOT NULL AND (due_at IS NOT NULL OR failed_at IS NOT NULL);',
    ].join('\n'),

    /**
     * One value: JSON as text, which every library can hand over. Transactions with a key of the same name wait for each other
     * here, so that the order of ids is the order of commits; sorted, lest two wait for each other.
     */
    add: add(''),
    addAndTell: add(notified),

    /** `$1`: milliseconds that the relay may be silent in the round. The lock goes with the transaction. */
    begin:
      `SELECT pg_try_advisory_xact_lock(${lockOf(literal(`${table} relay`))}) AS taken, ` +
      `set_config('idle_in_transaction_session_timeout', $1, true)`,

    due: [
      'SELECT id, key, exchange, routing_key, body, properties, mandatory, delay, attempts FROM (',
      '  SELECT *, sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS before FROM (',
      `    SELECT * FROM ${table} AS message`,
      '    WHERE failed_at IS NULL AND (due_at IS NULL OR due_at <= now())',
      `    AND (key IS NULL OR NOT EXISTS (SELECT FROM ${table} AS older`,
      '      WHERE older.key = message.key AND older.id < message.id',
      '      AND (older.due_at IS NOT NULL OR older.failed_at IS NOT NULL)',
      '      AND CASE WHEN older.failed_at IS NULL THEN older.due_at > now() ELSE older.blocks END))',
      '    ORDER BY id LIMIT $1',
      '  ) AS due',
      `) AS due WHERE before < ${String(mostBytes)} ORDER BY id`,
    ].join('\n'),

    published: `DELETE FROM ${table} WHERE id = ANY ($1::bigint[])`,

    refused: [
      `UPDATE ${table} AS message SET attempts = message.attempts + 1, error = verdict.error, blocks = verdict.blocks,`,
      `  due_at = clock_timestamp() + verdict.delay * interval '1 millisecond',`,
      '  failed_at = CASE WHEN verdict.delay IS NULL THEN clock_timestamp() END',
      'FROM json_to_recordset($1::text::json) AS verdict (id bigint, error text, delay float8, blocks boolean)',
      'WHERE message.id = verdict.id',
    ].join('\n'),

    failed:
      'SELECT id, key, exchange, routing_key, properties, attempts, error, blocks, added_at, failed_at ' +
      `FROM ${table} WHERE failed_at IS NOT NULL ORDER BY id LIMIT $1`,

    retry:
      `WITH told AS MATERIALIZED (SELECT 1 AS one${notified}) ` +
      `UPDATE ${table} SET attempts = 0, due_at = NULL, failed_at = NULL, blocks = false FROM told ` +
      'WHERE told.one = 1 AND failed_at IS NOT NULL AND ($1::bigint[] IS NULL OR id = ANY ($1::bigint[]))',

    discard: `DELETE FROM ${table} WHERE failed_at IS NOT NULL AND id = ANY ($1::bigint[])`,

    count:
      'SELECT count(*) FILTER (WHERE failed_at IS NULL) AS waiting, count(*) FILTER (WHERE failed_at IS NOT NULL) AS failed ' +
      `FROM ${table}`,
  } as const;
}
