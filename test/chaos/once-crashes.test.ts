/** A process that is killed at any step of an idempotent handler and of the outbox: nothing is lost, nothing is done twice. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { PostgresIdempotencyStore, PostgresOutboxStore } from 'leveret';
import { describeOnBroker } from '../support/brokers.js';
import { Bystander, eventually } from '../support/nest-app.js';
import { programOptions } from '../support/nest-version.js';
import { describeOnPostgres, quote } from '../support/postgres.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const orderCount = 150;

/** Code and signal; fails where it goes on for 20 s. */
async function exitOf(worker: ChildProcess, title: string, output: readonly string[]): Promise<unknown[]> {
  const limit = AbortSignal.timeout(20_000);
  try {
    return (await once(worker, 'exit', { signal: limit })) as unknown[];
  } catch (error) {
    throw new Error(`${title} was not reached: ${output.join('\n')}`, { cause: error });
  }
}

describeOnPostgres('a worker that is killed', (database) => {
  describeOnBroker('in the middle of its work', (broker) => {
    const bystander = new Bystander();
    const workers: ChildProcess[] = [];
    beforeAll(() => bystander.open(broker.url));
    afterEach(() => {
      for (const worker of workers.splice(0)) worker.kill('SIGKILL');
    });
    afterAll(() => bystander.close());

    test('loses nothing and does nothing twice, wherever it was killed', async () => {
      const schema = `crashes_${broker.kind}_${Math.random().toString(36).slice(2, 8)}`;
      const names = { ORDERS: broker.unique('orders'), EVENTS: broker.unique('events') };
      await database.pool.query(`CREATE SCHEMA ${quote(schema)}`);
      for (const table of ['effects', 'arrivals']) {
        await database.pool.query(`CREATE TABLE ${quote(schema)}.${table} (id integer, at bigserial)`);
      }
      await new PostgresIdempotencyStore(database.pool, { schema }).createTables();
      await new PostgresOutboxStore(database.pool, { schema }).createTables();
      const output: string[] = [];
      const startWorker = (crash: string): ChildProcess => {
        const worker = spawn(process.execPath, [...programOptions, 'test/support/programs/once.ts'], {
          cwd: root,
          env: {
            ...process.env,
            ...names,
            AMQP_URL: broker.url,
            POSTGRES_URL: database.url,
            SCHEMA: schema,
            CRASH: crash,
            NODE_OPTIONS: '--unhandled-rejections=strict',
          },
        });
        workers.push(worker);
        for (const stream of [worker.stdout, worker.stderr]) {
          stream.on('data', (chunk: Buffer) => output.push(...chunk.toString().trim().split('\n')));
        }
        return worker;
      };
      const points = [
        // The key is claimed: the statement begins so, as that of the outbox does.
        'after WITH lock 5',
        'after INSERT INTO effects 9',
        'after WITH entry 6',
        'before RELEASE SAVEPOINT 7',
        'after RELEASE SAVEPOINT 9',
        'before DELETE FROM 2',
        'after DELETE FROM 2',
      ];
      await bystander.channel.queueDeclare(names.ORDERS);
      for (let id = 0; id < orderCount; id += 1) {
        await bystander.send(names.ORDERS, { id }, { messageId: `order ${String(id)}` });
      }
      try {
        for (const point of points) {
          const worker = startWorker(point);
          const [code, signal] = (await exitOf(worker, point, output)) as [number | null, string | null];
          expect([point, code, signal]).toEqual([point, null, 'SIGKILL']);
        }
        // It did not get to the end by itself.
        const { rows: early } = await database.pool.query(`SELECT id FROM ${quote(schema)}.arrivals`);
        expect(early.length).toBeLessThan(orderCount);
        const last = startWorker('');
        await eventually(async () => {
          const { rows } = await database.pool.query(`SELECT id FROM ${quote(schema)}.arrivals`);
          expect(rows.length).toBeGreaterThanOrEqual(orderCount);
        }, 30_000);
        await eventually(async () => expect(await bystander.count(names.EVENTS)).toBe(0));
        last.kill('SIGTERM');
        await once(last, 'exit');
      } finally {
        for (const worker of workers) worker.kill('SIGKILL');
      }
      const all = Array.from({ length: orderCount }, (_, id) => id);
      const idsOf = async (table: string, order: string): Promise<number[]> =>
        (
          await database.pool.query<{ id: number }>(`SELECT id FROM ${quote(schema)}.${table} ORDER BY ${order}`)
        ).rows.map(({ id }) => id);
      expect(await idsOf('effects', 'id')).toEqual(all);
      expect(await idsOf('arrivals', 'id')).toEqual(all);
      const { rows } = await database.pool.query(`SELECT count(*)::int AS count FROM ${quote(schema)}.leveret_outbox`);
      expect(rows).toEqual([{ count: 0 }]);
      for (const queue of Object.values(names)) {
        expect(await bystander.count(queue)).toBe(0);
        expect(await bystander.count(`${queue}.parked`)).toBe(0);
      }
      expect(output.filter((line) => line !== 'ready')).toEqual([]);
      await database.pool.query(`DROP SCHEMA ${quote(schema)} CASCADE`);
    }, 120_000);
  });
});
