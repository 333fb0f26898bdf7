/** PostgresOutboxStore: order over processes, other libraries' transactions, and what becomes of it where PostgreSQL fails. */
import {
  AmqpModule,
  Outbox,
  OutboxModule,
  OutboxStoreError,
  PostgresOutboxStore,
  type PostgresOutboxStoreOptions,
  type RelayOptions,
} from 'leveret';
import { ArgumentError } from 'leveret/amqp';
import pg from 'pg';
import { describeOnBroker } from '../../support/brokers.js';
import {
  Bystander,
  closeApplication,
  closeApplications,
  eventually,
  pause,
  startModule,
} from '../../support/nest-app.js';
import { describeOnPostgres } from '../../support/postgres.js';

describeOnPostgres('an outbox in PostgreSQL, shared by processes', (database) => {
  describeOnBroker('with RabbitMQ at its other end', (broker) => {
    const bystander = new Bystander();
    const pools: pg.Pool[] = [];
    let count = 0;
    beforeAll(() => bystander.open(broker.url));
    afterAll(() => bystander.close());
    afterEach(async () => {
      await closeApplications();
      for (const pool of pools.splice(0)) await pool.end();
    });

    /** As many processes would share it: each with a pool of its own. */
    async function startOne(
      table: string,
      relay: boolean | RelayOptions,
      storeOptions: PostgresOutboxStoreOptions = {},
      max = 10,
    ) {
      // What pg_stat_activity knows the sessions of this one by.
      const name = broker.unique('relay').slice(-60);
      const pool = new pg.Pool({ connectionString: database.url, application_name: name, max });
      pool.on('error', () => undefined);
      pools.push(pool);
      const store = new PostgresOutboxStore(pool, { schema: database.schema, table, timeout: 2_000, ...storeOptions });
      await store.createTables();
      const imports = [AmqpModule.forRoot({ url: broker.url }), OutboxModule.forRoot({ store, relay })];
      const { app, log } = await startModule({ imports });
      const transact = async <Result>(work: (client: pg.PoolClient) => Promise<Result>): Promise<Result> => {
        const client = await pool.connect();
        try {
          await client.query('BEGIN');
          const result = await work(client);
          await client.query('COMMIT');
          return result;
        } catch (error) {
          await client.query('ROLLBACK').catch(() => undefined);
          throw error;
        } finally {
          client.release();
        }
      };
      return { app, log, name, pool, store, transact, outbox: app.get<Outbox>(Outbox) };
    }

    const newTable = (): string => `outbox ${broker.kind} ${String((count += 1))}`;

    async function newQueue(): Promise<string> {
      const queue = broker.unique('outbox');
      await bystander.channel.queueDeclare(queue);
      return queue;
    }

    test('two relays, whose sessions are killed and which come and go: of each key all, the first times in order', async () => {
      const table = newTable();
      const queue = await newQueue();
      const adder = await startOne(table, false);
      const relay = { interval: 50, batch: 7 };
      let relays = [await startOne(table, relay), await startOne(table, relay)];
      const keys = ['a', 'b', 'c'];
      const each = 200;
      const state = { isAdding: true };
      const adding = Promise.all(
        keys.map(async (key) => {
          for (let n = 0; n < each; n += 1) {
            await adder.transact(async (client) => {
              await adder.outbox.publish(client, { routingKey: queue, payload: { key, n }, key });
              await pause(Math.random() * 10);
            });
          }
        }),
      ).finally(() => (state.isAdding = false));
      let kills = 0;
      while (state.isAdding) {
        await pause(100 + Math.random() * 200);
        const victim = relays[kills % 2];
        if (kills % 5 === 4 && victim) {
          relays = [...relays.filter((one) => one !== victim), await startOne(table, relay)];
          await closeApplication(victim.app);
        } else {
          const names = relays.map(({ name }) => name);
          await database.pool.query(
            'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ANY ($1)',
            [kills % 2 === 0 ? names : names.slice(0, 1)],
          );
        }
        kills += 1;
      }
      await adding;
      await eventually(async () => expect(await adder.outbox.count()).toEqual({ waiting: 0, failed: 0 }), 20_000);
      expect(kills).toBeGreaterThan(4);
      const seen = new Map<string, number[]>(keys.map((key) => [key, []]));
      const messageIds = new Map<string, string>();
      for (let left = await bystander.count(queue); left > 0; left -= 1) {
        const message = await bystander.take(queue);
        const { key, n } = JSON.parse(message.body.toString()) as { key: string; n: number };
        // A repeat has the same message id: the consumer knows it.
        const title = `${key} ${String(n)}`;
        const { messageId = '' } = message.properties;
        if (messageIds.has(title)) expect(messageIds.get(title)).toBe(messageId);
        else seen.get(key)?.push(n);
        messageIds.set(title, messageId);
      }
      for (const key of keys) expect(seen.get(key)).toEqual(Array.from({ length: each }, (_, n) => n));
    }, 60_000);

    test('transactions with one key wait for each other, so that their order is that of their commits', async () => {
      const queue = await newQueue();
      const { transact, outbox } = await startOne(newTable(), { interval: 20 });
      const order: string[] = [];
      let isFirstIn = false;
      const first = transact(async (client) => {
        await outbox.publish(client, { routingKey: queue, payload: 'first', key: 'k' });
        isFirstIn = true;
        await pause(400);
        order.push('first');
      });
      await eventually(() => expect(isFirstIn).toBe(true));
      const second = transact(async (client) => {
        await outbox.publish(client, { routingKey: queue, payload: 'second', key: 'k' });
        order.push('second');
      });
      const other = transact(async (client) => {
        await outbox.publish(client, { routingKey: queue, payload: 'other', key: 'another' });
        order.push('other');
      });
      await Promise.all([first, second, other]);
      expect(order).toEqual(['other', 'first', 'second']);
      const bodies: unknown[] = [];
      for (let index = 0; index < 3; index += 1) bodies.push(JSON.parse((await bystander.take(queue)).body.toString()));
      expect(bodies).toEqual(['other', 'first', 'second']);
    });

    test('a commit wakes the relay; one that does not listen looks, and so does one whose listener was killed', async () => {
      const queue = await newQueue();
      const listening = await startOne(newTable(), { interval: 30_000 });
      await pause(300);
      const publish = (): Promise<string> =>
        listening.transact((client) => listening.outbox.publish(client, { routingKey: queue, payload: 1 }));
      await publish();
      await bystander.take(queue);
      await database.pool.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [
        listening.name,
      ]);
      await pause(100);
      await publish();
      // It listens anew, and looks then.
      await bystander.take(queue);
      const looking = await startOne(newTable(), { interval: 50 }, { notify: false });
      await looking.transact((client) => looking.outbox.publish(client, { routingKey: queue, payload: 1 }));
      await bystander.take(queue);
    }, 20_000);

    test('a pool of one client is not taken by a listener: the relay looks, and transactions go on', async () => {
      const queue = await newQueue();
      const { pool, transact, outbox } = await startOne(newTable(), { interval: 50 }, {}, 1);
      expect(() => new PostgresOutboxStore(pool, { notify: true })).toThrow('"notify" needs a pool of two');
      await pause(200);
      for (let n = 0; n < 3; n += 1) {
        await transact((client) => outbox.publish(client, { routingKey: queue, payload: n, key: 'k' }));
      }
      for (let n = 0; n < 3; n += 1) expect(JSON.parse((await bystander.take(queue)).body.toString())).toBe(n);
    });

    test('the transaction of another library is given as what runs its statements', async () => {
      const queue = await newQueue();
      const { transact, outbox, pool } = await startOne(newTable(), { interval: 30_000 });
      await transact(async (client) => {
        // As TypeORM's EntityManager.query, Prisma's $executeRawUnsafe, and Knex's raw with its own kind of placeholders.
        const manager = {
          query: async (text: string, values?: unknown[]): Promise<unknown> => (await client.query(text, values)).rows,
        };
        const prisma = {
          $executeRawUnsafe: async (text: string, ...values: unknown[]) => (await client.query(text, values)).rowCount,
        };
        const knex = {
          raw: (text: string, values: unknown[]) => client.query(text.replaceAll('?', '$1'), values as string[]),
        };
        const executors = [
          { query: (text: string, values?: unknown[]) => manager.query(text, values) },
          { query: (text: string, values: unknown[] = []) => prisma.$executeRawUnsafe(text, ...values) },
          { query: (text: string, values: unknown[] = []) => knex.raw(text.replaceAll('$1', '?'), values) },
        ];
        for (const [index, executor] of executors.entries()) {
          await outbox.publish(executor, { routingKey: queue, payload: index, key: 'k' });
        }
      });
      for (const index of [0, 1, 2]) {
        expect(JSON.parse((await bystander.take(queue)).body.toString())).toBe(index);
      }
      // The pool would commit it by itself.
      await expect(outbox.publish(pool, { routingKey: queue, payload: 1 })).rejects.toThrow(ArgumentError);
      await expect(outbox.publish({}, { routingKey: queue, payload: 1 })).rejects.toThrow(ArgumentError);
    });

    test('a table that is locked or gone: the relay says so once, and goes on when it is back', async () => {
      const table = newTable();
      const queue = await newQueue();
      const { transact, outbox, log, store, pool } = await startOne(table, { interval: 30 }, { timeout: 300 });
      const name = `"${database.schema.replaceAll('"', '""')}"."${table}"`;
      const blocker = await pool.connect();
      await blocker.query(`BEGIN; LOCK TABLE ${name}`);
      await pause(1_000);
      await blocker.query('ROLLBACK');
      blocker.release();
      await transact((client) => outbox.publish(client, { routingKey: queue, payload: 1 }));
      await bystander.take(queue);
      expect(log.texts('warn').filter((line) => line.includes('nothing is published'))).toHaveLength(1);
      await pool.query(`DROP TABLE ${name}`);
      await expect(outbox.count()).rejects.toThrow(OutboxStoreError);
      const lost = transact((client) => outbox.publish(client, { routingKey: queue, payload: 1 }));
      await expect(lost).rejects.toThrow('does not exist');
      await store.createTables();
      await transact((client) => outbox.publish(client, { routingKey: queue, payload: 2 }));
      expect(JSON.parse((await bystander.take(queue)).body.toString())).toBe(2);
    }, 20_000);
  });
});
