/** PostgreSQL for tests: a schema of its own for each suite, and a server that may be hurt. */
import { afterAll, beforeAll, describe, test } from '@jest/globals';
import pg from 'pg';
import { isPostgresInstalled, startPostgresNode, type PostgresNodeHandle } from '../../scripts/postgres-node.mjs';

const { Pool } = pg;

export interface TestDatabase {
  /** Set while the suite's tests run. */
  readonly pool: pg.Pool;
  readonly url: string;
  /** A schema of this suite's own, which is dropped after it. */
  readonly schema: string;
}

let schemaCount = 0;

/** The suite with the database that LEVERET_TEST_POSTGRES_URL names; one skipped test says so where there is none. */
export function describeOnPostgres(name: string, suite: (database: TestDatabase) => void): void {
  const url = process.env['LEVERET_TEST_POSTGRES_URL'] ?? '';
  describe(`${name} (PostgreSQL)`, () => {
    if (url === '') {
      test.skip('needs PostgreSQL: LEVERET_TEST_POSTGRES_URL is not set', () => undefined);
      return;
    }
    schemaCount += 1;
    const schema = `once ${String(process.pid)} "${String(schemaCount)}" ${Math.random().toString(36).slice(2, 8)}`;
    let pool: pg.Pool | undefined;
    beforeAll(() => {
      pool = new Pool({ connectionString: url, max: 10 });
      pool.on('error', () => undefined);
    });
    suite({
      url,
      schema,
      get pool() {
        if (!pool) throw new Error('the pool is there only while tests run');
        return pool;
      },
    });
    afterAll(async () => {
      await pool?.query(`DROP SCHEMA IF EXISTS ${quote(schema)} CASCADE`);
      await pool?.end();
    });
  });
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A server of the suite's own. */
export function describeOnOwnPostgres(
  name: string,
  suite: (server: { node(): PostgresNodeHandle; url(): string }) => void,
): void {
  describe(`${name} (PostgreSQL of its own)`, () => {
    if (!isPostgresInstalled()) {
      test.skip('needs PostgreSQL on this machine', () => undefined);
      return;
    }
    let node: PostgresNodeHandle | undefined;
    let url = '';
    const stopNow = (): void => node?.stopNow();
    beforeAll(async () => {
      node = startPostgresNode();
      process.on('exit', stopNow);
      ({ url } = await node.ready);
    }, 60_000);
    suite({
      node: () => {
        if (!node) throw new Error('the server is there only while tests run');
        return node;
      },
      url: () => url,
    });
    afterAll(async () => {
      process.off('exit', stopNow);
      await node?.stop();
    }, 30_000);
  });
}
