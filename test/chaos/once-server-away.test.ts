/** A PostgreSQL server that stops, dies, freezes and comes back under a worker: nothing is lost, nothing is done twice. */
import { Injectable } from '@nestjs/common';
import {
  Ack,
  AmqpModule,
  Consume,
  Idempotent,
  IdempotencyModule,
  IdempotencyStoreError,
  Outbox,
  OutboxModule,
  PostgresIdempotencyStore,
  PostgresOutboxStore,
  Transaction,
} from 'leveret';
import pg from 'pg';
import { describeOnBroker } from '../support/brokers.js';
import { Bystander, closeApplications, eventually, pause, startModule } from '../support/nest-app.js';
import { describeOnOwnPostgres } from '../support/postgres.js';

const orderCount = 60;

describeOnOwnPostgres('a worker whose database is away for a while', (server) => {
  describeOnBroker('and its broker is not', (broker) => {
    const bystander = new Bystander();
    beforeAll(() => bystander.open(broker.url));
    afterAll(() => bystander.close());
    afterEach(closeApplications);

    test.each(['halt', 'kill', 'freeze'] as const)(
      'does all once, after %s',
      async (fault) => {
        const pool = new pg.Pool({ connectionString: server.url() });
        pool.on('error', () => undefined);
        const table = `${fault}_${broker.kind}`;
        await pool.query(`CREATE TABLE ${table} (id integer)`);
        const keys = new PostgresIdempotencyStore(pool, { table: `${table}_keys`, timeout: 500 });
        const store = new PostgresOutboxStore(pool, { table: `${table}_outbox`, timeout: 500 });
        await keys.createTables();
        await store.createTables();
        const queue = broker.unique('orders');
        const events = broker.unique('events');
        await bystander.channel.queueDeclare(events);
        @Injectable()
        class Orders {
          constructor(private readonly outbox: Outbox) {}

          @Consume({ queue, prefetch: 5 })
          @Ack({ retry: { attempts: 100, delay: 100 } })
          @Idempotent()
          async onOrder({ id }: { id: number }, @Transaction() transaction: pg.PoolClient): Promise<void> {
            await transaction.query(`INSERT INTO ${table} VALUES ($1)`, [id]);
            await this.outbox.publish(transaction, { routingKey: events, payload: id, key: 'k' });
            await pause(20);
          }
        }
        const imports = [
          AmqpModule.forRoot({ url: broker.url }),
          IdempotencyModule.forRoot({ store: keys }),
          OutboxModule.forRoot({ store, relay: { interval: 50, batch: 5 } }),
        ];
        const { log } = await startModule({ imports, providers: [Orders] });
        for (let id = 0; id < orderCount; id += 1) await bystander.send(queue, { id }, { messageId: String(id) });
        await pause(100);
        const node = server.node();
        if (fault === 'freeze') node.freeze();
        else await node[fault]();
        if (fault === 'freeze') {
          // Sessions that are open go on; a new one would wait.
          const key = { scope: 's', key: 'k' };
          const waiting = new pg.Pool({ connectionString: server.url() });
          waiting.on('error', () => undefined);
          const fresh = new PostgresIdempotencyStore(waiting, { timeout: 300 });
          const options = { keep: 1_000, signal: new AbortController().signal };
          await expect(fresh.protect(key, () => Promise.resolve(), options)).rejects.toThrow(IdempotencyStoreError);
        }
        await pause(500);
        if (fault === 'freeze') node.thaw();
        else await node.start();
        const idsOf = async (): Promise<number[]> =>
          (await pool.query<{ id: number }>(`SELECT id FROM ${table} ORDER BY id`)).rows.map(({ id }) => id);
        const all = Array.from({ length: orderCount }, (_, id) => id);
        await eventually(async () => expect(await idsOf()).toEqual(all), 20_000);
        await eventually(async () => {
          const { rows } = await pool.query(`SELECT count(*)::int AS left FROM ${table}_outbox`);
          expect(rows).toEqual([{ left: 0 }]);
        }, 20_000);
        await eventually(async () => expect(await bystander.count(queue)).toBe(0));
        await closeApplications();
        expect(await idsOf()).toEqual(all);
        const seen = new Set<string>();
        for (let left = await bystander.count(events); left > 0; left -= 1) {
          seen.add((await bystander.take(events)).body.toString());
        }
        expect(seen.size).toBe(orderCount);
        if (fault !== 'freeze') expect(log.texts().join()).toContain('IdempotencyStoreError');
        expect(await bystander.count(`${queue}.parked`)).toBe(0);
        await pool.end();
      },
      60_000,
    );
  });
});
