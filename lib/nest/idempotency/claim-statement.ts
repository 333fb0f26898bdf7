/** The SQL that claims a key in PostgreSQL. Pure. */

/** Its one row. */
export interface Claim {
  readonly claimed: boolean;
  readonly done: boolean;
}

/**
 * `claimed`: it was free, or its time had passed. `done`: it was seen to be done. Neither: somebody is at work, or was a moment
 * ago: the statement looks at what was committed before it began, while the lock, which goes with its transaction, is as it is now.
 */
export function claimStatement(table: string): string {
  const expires = `clock_timestamp() + $4::float8 * interval '1 millisecond'`;
  return [
    'WITH lock AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(hashtextextended($5::text, 0)) AS taken),',
    'claim AS (',
    `  INSERT INTO ${table} AS known (scope, key, owner, expires_at)`,
    `  SELECT $1::text, $2::text, $3::uuid, ${expires} FROM lock WHERE taken`,
    '  ON CONFLICT (scope, key) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at',
    '  WHERE known.expires_at < clock_timestamp()',
    '  RETURNING 1',
    ')',
    'SELECT EXISTS (SELECT FROM claim) AS claimed, EXISTS (',
    `  SELECT FROM ${table}`,
    '  WHERE scope = $1::text AND key = $2::text AND owner IS NULL AND expires_at >= clock_timestamp()',
    ') AS done',
  ].join('\n');
}
