/** PostgresIdempotencyStore: what it promises of transactions and leases, and what it does where PostgreSQL does not. */
import { Injectable } from '@nestjs/common';
import {
  Ack,
  AmqpContext,
  Consume,
  currentTransaction,
  Idempotent,
  IdempotencyModule,
  IdempotencyStoreError,
  MemoryIdempotencyStore,
  PostgresIdempotencyStore,
  type PostgresIdempotencyStoreOptions,
  type ProtectOutcome,
} from 'leveret';
import pg from 'pg';
import { describeOnBroker } from '../../support/brokers.js';
import { Bystander, closeApplications, eventually, pause, startApplication } from '../../support/nest-app.js';
import { describeOnPostgres, quote } from '../../support/postgres.js';

class Trouble extends Error {}

const never = new AbortController();
const options = { keep: 60_000, signal: never.signal };

describeOnPostgres('keys in PostgreSQL', (database) => {
  let count = 0;
  const pools: pg.Pool[] = [];

  /** A table of its own; `tables` says how it is named in SQL. */
  async function makeStore(given: PostgresIdempotencyStoreOptions = {}, pool = database.pool) {
    count += 1;
    const table = `keys ${String(count)}`;
    const store = new PostgresIdempotencyStore(pool, { schema: database.schema, table, ...given });
    await new PostgresIdempotencyStore(database.pool, { schema: database.schema, table }).createTables();
    return { store, table, name: `${quote(database.schema)}.${quote(table)}` };
  }

  async function makeEffects(): Promise<{ name: string; rows: () => Promise<number> }> {
    count += 1;
    const name = `${quote(database.schema)}.${quote(`effects ${String(count)}`)}`;
    await database.pool.query(`CREATE SCHEMA IF NOT EXISTS ${quote(database.schema)}`);
    await database.pool.query(`CREATE TABLE ${name} (id text)`);
    const rows = async (): Promise<number> =>
      (await database.pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${name}`)).rows[0]?.n ?? -1;
    return { name, rows };
  }

  function makePool(max: number): pg.Pool {
    const pool = new pg.Pool({ connectionString: database.url, max });
    pool.on('error', () => undefined);
    pools.push(pool);
    return pool;
  }

  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.end();
  });

  describe.each(['transaction', 'lease'] as const)('by %s', (mode) => {
    test('of many at a time, over two pools, one runs; and after it none', async () => {
      const { store, table } = await makeStore({ mode });
      const other = new PostgresIdempotencyStore(makePool(10), { mode, schema: database.schema, table });
      for (let round = 0; round < 20; round += 1) {
        let runs = 0;
        const key = { scope: 's', key: `k${String(round)}` };
        const work = async (): Promise<void> => {
          runs += 1;
          await pause(Math.random() * 5);
        };
        const all: Promise<ProtectOutcome>[] = [];
        for (let index = 0; index < 8; index += 1) {
          all.push(store.protect(key, work, options), other.protect(key, work, options));
          await pause(Math.random() * 3);
        }
        const outcomes = await Promise.all(all);
        expect([runs, outcomes.filter((outcome) => outcome === 'done').length]).toEqual([1, 1]);
        // What said `repeated` said so of a key that was done: it can only have been after the one run.
        expect(await store.protect(key, work, options)).toBe('repeated');
        expect(runs).toBe(1);
      }
    }, 30_000);

    test('one that fails while others ask leaves the key to one of them', async () => {
      const { store } = await makeStore({ mode });
      const key = { scope: 's', key: 'k' };
      let runs = 0;
      const failing = store.protect(
        key,
        async () => {
          await pause(50);
          throw new Trouble('no');
        },
        options,
      );
      await pause(20);
      expect(await store.protect(key, () => Promise.resolve(), options)).toBe('in-use');
      await expect(failing).rejects.toThrow(Trouble);
      expect(await store.protect(key, async () => void (runs += 1), options)).toBe('done');
      expect(runs).toBe(1);
    });

    test('a clock that is set, forward or back, changes nothing here', async () => {
      const { store } = await makeStore({ mode });
      const memory = new MemoryIdempotencyStore();
      const now = Date.now;
      try {
        for (const jump of [0, 3_650 * 86_400_000, -3_650 * 86_400_000]) {
          Date.now = () => now() + jump;
          const expected = jump === 0 ? 'done' : 'repeated';
          const key = { scope: 's', key: 'k' };
          expect(await store.protect(key, () => Promise.resolve(), options)).toBe(expected);
          expect(await memory.protect(key, () => Promise.resolve(), options)).toBe(expected);
        }
      } finally {
        Date.now = now;
      }
    });

    test('old keys are forgotten, so many at a time', async () => {
      const { store, name } = await makeStore({ mode });
      for (let index = 0; index < 5; index += 1) {
        await store.protect({ scope: 's', key: String(index) }, () => Promise.resolve(), { ...options, keep: 1 });
      }
      await store.protect({ scope: 's', key: 'kept' }, () => Promise.resolve(), options);
      await pause(20);
      expect([await store.forgetOld(3), await store.forgetOld(3), await store.forgetOld(3)]).toEqual([3, 2, 0]);
      expect((await database.pool.query(`SELECT key FROM ${name}`)).rows).toEqual([{ key: 'kept' }]);
    });

    test('a table that is locked, missing or takes no more is a typed error, in time, and nothing runs', async () => {
      const { store, name } = await makeStore({ mode, timeout: 300 });
      let runs = 0;
      const attempt = (): Promise<unknown> =>
        store.protect({ scope: 's', key: 'k' }, async () => void (runs += 1), options);
      const blocker = await database.pool.connect();
      await blocker.query(`BEGIN; LOCK TABLE ${name}`);
      const since = performance.now();
      await expect(attempt()).rejects.toThrow(IdempotencyStoreError);
      expect(performance.now() - since).toBeLessThan(2_000);
      await blocker.query('ROLLBACK');
      blocker.release();
      await database.pool.query(`ALTER TABLE ${name} ADD CONSTRAINT full_up CHECK (false) NOT VALID`);
      await expect(attempt()).rejects.toThrow('full_up');
      await database.pool.query(`DROP TABLE ${name}`);
      await expect(attempt()).rejects.toThrow('does not exist');
      expect(runs).toBe(0);
      const away = new PostgresIdempotencyStore(new pg.Pool({ host: '127.0.0.1', port: 1 }), { mode });
      const refused = away.protect({ scope: 's', key: 'k' }, () => Promise.resolve(), options);
      await expect(refused).rejects.toThrow(IdempotencyStoreError);
    });

    test('a pool without a free client is a typed error, in time, and the client is not lost', async () => {
      const pool = makePool(1);
      const { store } = await makeStore({ mode, timeout: 200 }, pool);
      const held = await pool.connect();
      const attempt = (): Promise<ProtectOutcome> =>
        store.protect({ scope: 's', key: 'k' }, () => Promise.resolve(), options);
      await expect(attempt()).rejects.toThrow('waiting for a client of the pool');
      held.release();
      await eventually(async () => expect(await attempt()).toMatch(/done|repeated/));
    });
  });

  test('a lease is renewed while its process works, and runs out after that died', async () => {
    const { store, name } = await makeStore({ mode: 'lease', lease: 1_000 });
    const key = { scope: 's', key: 'k' };
    const working = store.protect(key, () => pause(2_500), options);
    for (let index = 0; index < 4; index += 1) {
      await pause(500);
      expect(await store.protect(key, () => Promise.resolve(), options)).toBe('in-use');
    }
    expect(await working).toBe('done');
    // As a process that is gone leaves it.
    await database.pool.query(
      `INSERT INTO ${name} VALUES ('s', 'dead', gen_random_uuid(), clock_timestamp() + interval '300 ms')`,
    );
    const dead = { scope: 's', key: 'dead' };
    expect(await store.protect(dead, () => Promise.resolve(), options)).toBe('in-use');
    await pause(400);
    expect(await store.protect(dead, () => Promise.resolve(), options)).toBe('done');
  }, 15_000);

  test('a handler that hangs past its timeout keeps its key for `lease`, and is told when it ends', async () => {
    const { store } = await makeStore({ mode: 'lease', lease: 1_000 });
    const key = { scope: 's', key: 'k' };
    const ending = new AbortController();
    let wake = (): void => undefined;
    const hanging = store.protect(
      key,
      () =>
        new Promise<void>((resolve) => {
          wake = resolve;
        }),
      { keep: 60_000, signal: ending.signal },
    );
    const next = (): Promise<string> => store.protect(key, () => Promise.resolve(), options);
    await pause(1_500);
    expect(await next()).toBe('in-use');
    ending.abort();
    await pause(1_200);
    expect(await next()).toBe('done');
    wake();
    await expect(hanging).rejects.toThrow('the lease ran out');
    expect(await next()).toBe('repeated');
  });

  test('a lease that was lost is an error, not a message that is done', async () => {
    const { store, name } = await makeStore({ mode: 'lease' });
    const losing = store.protect(
      { scope: 's', key: 'k' },
      async () => {
        await database.pool.query(`DELETE FROM ${name}`);
      },
      options,
    );
    await expect(losing).rejects.toThrow('the lease ran out');
  });

  describeOnBroker('and the handler’s own writes', (broker) => {
    const bystander = new Bystander();
    beforeAll(() => bystander.open(broker.url));
    afterAll(() => bystander.close());
    afterEach(closeApplications);

    async function start(
      handle: (transaction: pg.PoolClient, run: number, effects: string) => unknown,
      consume: { timeout?: number } = {},
    ) {
      const queue = broker.unique('once');
      const effects = await makeEffects();
      const { store } = await makeStore();
      let runs = 0;
      @Injectable()
      class Orders {
        @Consume({ queue, ...consume })
        @Ack({ retry: 0 })
        @Idempotent()
        async onOrder(order: { id: string }): Promise<void> {
          runs += 1;
          // However deep it is called.
          await Promise.resolve();
          const transaction = currentTransaction<pg.PoolClient>();
          if (!transaction) throw new Error('there is no transaction');
          await transaction.query(`INSERT INTO ${effects.name} VALUES ($1)`, [order.id]);
          await handle(transaction, runs, effects.name);
        }
      }
      const imports = [IdempotencyModule.forRoot({ store })];
      await startApplication({ url: broker.url }, { imports, providers: [Orders] });
      const send = (): Promise<void> => bystander.send(queue, { id: 'a' }, { messageId: 'm' });
      const parkedError = async (): Promise<unknown> =>
        (await bystander.take(`${queue}.parked`)).properties.headers?.['x-leveret-error'];
      return { queue, effects, send, parkedError, runs: () => runs };
    }

    test('are there if it is done, and are not if it failed', async () => {
      const { effects, send, parkedError, runs } = await start((_transaction, run) => {
        if (run === 1) throw new Trouble('after the write');
      });
      await send();
      expect(await parkedError()).toBe('Trouble');
      expect(await effects.rows()).toBe(0);
      await send();
      await eventually(async () => expect(await effects.rows()).toBe(1));
      await send();
      await closeApplications();
      expect([runs(), await effects.rows()]).toEqual([2, 1]);
    });

    test.each(['ROLLBACK', 'COMMIT', 'ROLLBACK; BEGIN', 'COMMIT; BEGIN'])(
      'a handler that says %s itself is told, and not acknowledged as done',
      async (statement) => {
        const { queue, effects, send, parkedError, runs } = await start(async (transaction, run) => {
          if (run === 1) await transaction.query(statement);
        });
        await send();
        expect(await parkedError()).toBe('IdempotencyStoreError');
        const isCommitted = statement.startsWith('COMMIT');
        expect(await effects.rows()).toBe(isCommitted ? 1 : 0);
        await send();
        await eventually(async () => expect(await bystander.count(queue)).toBe(0));
        await closeApplications();
        // What was committed, with its key, is done.
        expect([runs(), await effects.rows()]).toEqual([isCommitted ? 1 : 2, 1]);
      },
    );

    test('a handler may have savepoints of its own', async () => {
      const { effects, send, runs } = await start(async (transaction, _run, name) => {
        await transaction.query(`SAVEPOINT mine; INSERT INTO ${name} VALUES ('undone'); ROLLBACK TO SAVEPOINT mine`);
        await transaction.query(`SAVEPOINT mine; INSERT INTO ${name} VALUES ('kept')`);
      });
      await send();
      await eventually(async () => expect(await effects.rows()).toBe(2));
      expect(runs()).toBe(1);
    });

    test('a handler that hides a failed statement has done nothing, and is told', async () => {
      const { effects, send, parkedError } = await start(async (transaction, run) => {
        if (run === 1) await transaction.query('SELECT 1 / 0').catch(() => undefined);
      });
      await send();
      expect(await parkedError()).toBe('IdempotencyStoreError');
      expect(await effects.rows()).toBe(0);
      await send();
      await eventually(async () => expect(await effects.rows()).toBe(1));
    });

    test('a connection that is lost under the handler undoes all of it, and the process lives on', async () => {
      const { effects, send, parkedError } = await start(async (transaction, run) => {
        if (run > 1) return;
        const { rows } = await transaction.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        await database.pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
        await pause(100);
      });
      await send();
      expect(await parkedError()).toBe('IdempotencyStoreError');
      expect(await effects.rows()).toBe(0);
      await send();
      await eventually(async () => expect(await effects.rows()).toBe(1));
    });

    test('a handler that took too long has done nothing: what it does afterwards fails, and its key is free', async () => {
      let late: unknown;
      const { effects, send, parkedError } = await start(
        async (transaction, run, name) => {
          if (run > 1) return;
          await pause(400);
          late = await transaction.query(`INSERT INTO ${name} VALUES ('late')`).catch((error: unknown) => error);
          await database.pool.query(`SELECT 1`);
        },
        { timeout: 200 },
      );
      await send();
      expect(await parkedError()).toBe('HandlerTimeoutError');
      await send();
      await eventually(async () => expect(await effects.rows()).toBe(1));
      await eventually(() => expect(late).toBeInstanceOf(Error));
      expect(await effects.rows()).toBe(1);
    });

    test('an AmqpContext is at hand in them as elsewhere', async () => {
      let id: unknown;
      const { effects, send } = await start(() => {
        id = AmqpContext.current()?.getProperties().messageId;
      });
      await send();
      await eventually(async () => expect(await effects.rows()).toBe(1));
      expect(id).toBe('m');
    });
  });
});
