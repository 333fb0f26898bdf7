/** The outbox with each store: what a user sees of it. */
import { Injectable } from '@nestjs/common';
import {
  Ack,
  AmqpModule,
  Consume,
  currentTransaction,
  Idempotent,
  IdempotencyModule,
  MemoryIdempotencyStore,
  MemoryOutboxStore,
  MemoryTransaction,
  Outbox,
  OutboxModule,
  PostgresIdempotencyStore,
  PostgresOutboxStore,
  Transaction,
  type IdempotencyStore,
  type OutboxEntry,
  type OutboxStore,
  type RelayOptions,
} from 'leveret';
import { ArgumentError, TypedField } from 'leveret/amqp';
import { describeOnBroker, type TestBroker } from '../../support/brokers.js';
import { Bystander, closeApplications, eventually, pause, startModule } from '../../support/nest-app.js';
import { describeOnPostgres } from '../../support/postgres.js';

class Trouble extends Error {}

/** What the suite needs of a kind of store. */
interface Kind {
  /** An empty one; `keys` is of the same kind. */
  stores(): Promise<{ store: OutboxStore<never>; keys: IdempotencyStore }>;
  /** Runs the function in a transaction. */
  transact<Result>(work: (transaction: unknown) => Promise<Result>): Promise<Result>;
}

function suite(broker: TestBroker, kind: Kind): void {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  async function start(relay: boolean | RelayOptions = {}, given?: OutboxStore<never>) {
    const queue = broker.unique('outbox');
    await bystander.channel.queueDeclare(queue);
    const store = given ?? (await kind.stores()).store;
    const imports = [AmqpModule.forRoot({ url: broker.url }), OutboxModule.forRoot({ store, relay })];
    const { app, log } = await startModule({ imports });
    const outbox = app.get<Outbox>(Outbox);
    const publish = (...entries: OutboxEntry[]): Promise<string[]> =>
      kind.transact((transaction) => outbox.publishAll(transaction, entries));
    return { queue, app, log, outbox, store, publish };
  }

  async function bodies(queue: string, count: number): Promise<unknown[]> {
    const taken: unknown[] = [];
    while (taken.length < count) taken.push(JSON.parse((await bystander.take(queue)).body.toString()));
    return taken;
  }

  test('what is committed is published soon, as a Publisher would; what is rolled back never', async () => {
    const { queue, outbox } = await start({ interval: 60_000 });
    await pause(200);
    const undone = kind.transact(async (transaction) => {
      await outbox.publish(transaction, { routingKey: queue, payload: 'undone' });
      throw new Trouble('no');
    });
    await expect(undone).rejects.toThrow(Trouble);
    // It took the notification of this moment with it.
    await pause(150);
    const since = performance.now();
    const id = await kind.transact(async (transaction) => {
      const given = await outbox.publish(transaction, {
        routingKey: queue,
        payload: { id: 1 },
        options: { headers: { tenant: 'a' }, priority: 3, type: 'order.created', expiration: 60_000 },
      });
      await pause(100);
      expect(await bystander.count(queue)).toBe(0);
      return given;
    });
    const message = await bystander.take(queue);
    expect(performance.now() - since).toBeLessThan(5_000);
    expect(JSON.parse(message.body.toString())).toEqual({ id: 1 });
    expect(message.properties).toMatchObject({
      messageId: id,
      contentType: 'application/json',
      deliveryMode: 2,
      priority: 3,
      type: 'order.created',
      expiration: '60000',
      headers: { tenant: 'a' },
      timestamp: expect.any(Date),
    });
    await eventually(async () => expect(await outbox.count()).toEqual({ waiting: 0, failed: 0 }));
    expect(await bystander.count(queue)).toBe(0);
  });

  test('a delay counts from when it is published', async () => {
    const { queue, publish } = await start();
    const since = performance.now();
    await publish({ routingKey: queue, payload: 'late', options: { delay: 300 } }, { routingKey: queue, payload: 1 });
    expect(await bodies(queue, 1)).toEqual([1]);
    expect(await bodies(queue, 1)).toEqual(['late']);
    expect(performance.now() - since).toBeGreaterThan(300);
  });

  test('bytes and headers of every kind arrive as they were given', async () => {
    const { queue, publish } = await start();
    const headers = {
      bytes: Buffer.from([0, 255]),
      big: 2n ** 60n,
      date: new Date('2026-01-02T03:04:05Z'),
      decimal: new TypedField('decimal', 1234, 2),
      nested: { $date: 1, list: [1, 1.5, null, true, 'x\0y'], $bytes: { a: 1 } },
      nothing: undefined,
    };
    await publish({ routingKey: queue, payload: Buffer.from([1, 0, 2, 255]), options: { headers } });
    const { body, properties } = await bystander.take(queue);
    expect([...body]).toEqual([1, 0, 2, 255]);
    const { nothing: _nothing, ...expected } = headers;
    expect(properties.headers).toMatchObject(expected);
    expect(properties.contentType).toBe('application/octet-stream');
  });

  test('messages with one key are published in the order of their commits, a thousand of them, with others beside', async () => {
    const { queue, publish, outbox } = await start({ batch: 50 });
    const keys = ['a', 'b', 'c', undefined];
    await Promise.all(
      keys.map(async (key) => {
        for (let n = 0; n < 250; n += 5) {
          await publish(
            ...Array.from({ length: 5 }, (_, index) => ({ routingKey: queue, payload: { key, n: n + index }, key })),
          );
        }
      }),
    );
    const seen = (await bodies(queue, 1_000)) as { key?: string; n: number }[];
    for (const key of ['a', 'b', 'c']) {
      const order = seen.filter((one) => one.key === key).map(({ n }) => n);
      expect(order).toEqual(Array.from({ length: 250 }, (_, n) => n));
    }
    await eventually(async () => expect(await outbox.count()).toEqual({ waiting: 0, failed: 0 }));
    expect(await bystander.count(queue)).toBe(0);
  }, 60_000);

  test('a refused message is tried again with back-off, holds its own key alone, and is set aside in the end', async () => {
    const { queue, publish, outbox, log } = await start({ attempts: 3, initialDelay: 150, interval: 30 });
    const missing = broker.unique('missing');
    await publish(
      { routingKey: missing, payload: 'a1', key: 'a', options: { messageId: 'lost' } },
      { routingKey: queue, payload: 'a2', key: 'a' },
      { routingKey: queue, payload: 'b1', key: 'b' },
      { routingKey: queue, payload: 'none' },
    );
    expect((await bodies(queue, 2)).toSorted()).toEqual(['b1', 'none']);
    expect(await bystander.count(queue)).toBe(0);
    // Its key goes on once it is set aside.
    expect(await bodies(queue, 1)).toEqual(['a2']);
    await eventually(async () => expect(await outbox.count()).toEqual({ waiting: 0, failed: 1 }));
    const failed = await outbox.failed();
    expect(failed).toEqual([
      expect.objectContaining({
        messageId: 'lost',
        key: 'a',
        exchange: '',
        routingKey: missing,
        attempts: 3,
        blocks: false,
        error: expect.stringContaining('UnroutableError'),
        failedAt: expect.any(Date),
      }),
    ]);
    expect(await outbox.count()).toEqual({ waiting: 0, failed: 1 });
    expect(log.texts('error').join()).toContain('"lost"');
    expect(log.texts('error').join()).toContain('is set aside');
    await bystander.channel.queueDeclare(missing);
    expect(await outbox.retry(failed.map(({ id }) => id))).toBe(1);
    const message = await bystander.take(missing);
    expect(message.properties.messageId).toBe('lost');
    await eventually(async () => expect(await outbox.count()).toEqual({ waiting: 0, failed: 0 }));
  });

  test('onFailure: block holds the later messages of the key until it is discarded or retried', async () => {
    const { queue, publish, outbox } = await start({
      attempts: 2,
      initialDelay: 20,
      interval: 20,
      onFailure: 'block',
    });
    await publish(
      { routingKey: broker.unique('missing'), payload: 'a1', key: 'a' },
      { routingKey: queue, payload: 'a2', key: 'a' },
    );
    await publish({ routingKey: queue, payload: 'a3', key: 'a' });
    await eventually(async () => expect(await outbox.count()).toEqual({ waiting: 2, failed: 1 }));
    await pause(200);
    expect(await bystander.count(queue)).toBe(0);
    const [failed] = await outbox.failed();
    expect(failed?.blocks).toBe(true);
    expect(await outbox.discard([failed?.id ?? ''])).toBe(1);
    expect(await bodies(queue, 2)).toEqual(['a2', 'a3']);
  });

  test('an exchange that is not there, and a message that cannot be sent, do not hold up the others', async () => {
    const { queue, publish, outbox } = await start({ attempts: 2, initialDelay: 20, interval: 20 });
    const exchange = broker.unique('no-exchange');
    const user = { headers: { 'x-bad': 'x'.repeat(200_000) } };
    await publish(
      { exchange, routingKey: 'k', payload: 1 },
      { routingKey: queue, payload: 'too much in its header', options: user },
      { exchange, routingKey: 'k', payload: 2 },
      { routingKey: queue, payload: 'good' },
    );
    const got = await bodies(queue, 1);
    await eventually(async () => expect((await outbox.count()).waiting).toBe(0));
    const errors = (await outbox.failed()).map(({ error }) => error);
    expect(errors.filter((error) => /^ChannelClosedByBrokerError: .*no exchange/.test(error))).toHaveLength(2);
    expect([...got, ...errors].join()).toContain('good');
  });

  test('a process without a relay only adds; the relay of another one publishes', async () => {
    const { store } = await kind.stores();
    const api = await start(false, store);
    await api.publish({ routingKey: api.queue, payload: 1 });
    await pause(200);
    expect(await bystander.count(api.queue)).toBe(0);
    expect(await api.outbox.count()).toEqual({ waiting: 1, failed: 0 });
    await start({}, store);
    expect(await bodies(api.queue, 1)).toEqual([1]);
  });

  test('the end of the application publishes what is there, in bounded time', async () => {
    const { queue, publish } = await start({ interval: 60_000, batch: 10 });
    for (let n = 0; n < 20; n += 1) {
      await publish(...Array.from({ length: 10 }, (_, index) => ({ routingKey: queue, payload: n * 10 + index })));
    }
    const since = performance.now();
    await closeApplications();
    expect(performance.now() - since).toBeLessThan(6_000);
    expect(await bystander.count(queue)).toBe(200);
  }, 20_000);

  test('a handler’s writes, its key and what it publishes are one: an error undoes all of them, a repeat adds nothing', async () => {
    const { store, keys } = await kind.stores();
    const queue = broker.unique('orders');
    const events = broker.unique('events');
    await bystander.channel.queueDeclare(events);
    let runs = 0;
    @Injectable()
    class Orders {
      constructor(private readonly outbox: Outbox) {}

      @Consume(queue)
      @Ack({ retry: 0 })
      @Idempotent({ scope: queue })
      async onOrder(order: unknown, @Transaction() transaction: unknown): Promise<void> {
        expect(currentTransaction()).toBe(transaction);
        await this.outbox.publish(transaction, { routingKey: events, payload: order });
        runs += 1;
        if (runs === 1) throw new Trouble('after the publish');
      }
    }
    const imports = [
      AmqpModule.forRoot({ url: broker.url }),
      IdempotencyModule.forRoot({ store: keys }),
      OutboxModule.forRoot({ store }),
    ];
    await startModule({ imports, providers: [Orders] });
    const properties = { messageId: 'm', correlationId: 'c', headers: { traceparent: '00-a-b-01' } };
    await bystander.send(queue, { id: 1 }, properties);
    const parked = await bystander.take(`${queue}.parked`);
    await pause(100);
    expect(await bystander.count(events)).toBe(0);
    for (let index = 0; index < 3; index += 1) await bystander.send(queue, parked.body, properties);
    const event = await bystander.take(events);
    expect(event.properties).toMatchObject({ correlationId: 'c', headers: { traceparent: '00-a-b-01' } });
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    await closeApplications();
    expect(runs).toBe(2);
    expect(await bystander.count(events)).toBe(0);
  });

  test('what cannot be sent is refused at once, typed and by name, and nothing is added', async () => {
    const { outbox, queue } = await start(false);
    const good = { routingKey: queue, payload: 1 };
    const bad: [unknown, string][] = [
      [undefined, 'must be an object'],
      [{ payload: 1 }, '"routingKey" is missing'],
      [{ ...good, routingkey: 'x' }, 'unknown option "message.routingkey"'],
      [{ ...good, payload: undefined }, 'cannot be written as JSON'],
      [{ ...good, payload: 1n }, 'cannot be written as JSON'],
      [{ ...good, key: '' }, '"message.key" must not be empty'],
      [{ ...good, key: 'nul\0' }, '"message.key" must not contain a NUL'],
      [{ ...good, key: 'half \ud800' }, '"message.key" holds a lone surrogate'],
      [{ ...good, routingKey: '\udc00' }, '"message.routingKey" holds a lone surrogate'],
      [{ ...good, options: { messageId: '\ud800' } }, 'properties.messageId: holds a lone surrogate'],
      [{ ...good, options: { headers: { x: ['\ud800'] } } }, 'properties.headers.x[0]: holds a lone surrogate'],
      [{ ...good, options: { headers: { '\ud800': 1 } } }, 'properties.headers: holds a lone surrogate'],
      [{ ...good, exchange: 'x'.repeat(256) }, '"message.exchange" is over 255 bytes long'],
      [{ ...good, options: { headers: { x: () => undefined } } }, 'properties.headers.x: is a function'],
      [{ ...good, options: { prioriti: 1 } }, 'unknown option "prioriti"'],
      [{ ...good, options: { timeout: 5 } }, '"timeout" is for what is sent at once'],
    ];
    for (const [entry, text] of bad) {
      await kind.transact(async (transaction) => {
        const refused = outbox.publish(transaction, entry as OutboxEntry).then(String, (error: unknown) => error);
        const error = await refused;
        expect(error).toBeInstanceOf(ArgumentError);
        expect((error as Error).message).toContain(text);
      });
    }
    await expect(outbox.publish(undefined, good)).rejects.toThrow(ArgumentError);
    const several = kind.transact((transaction) => outbox.publishAll(transaction, [good, { ...good, key: '' }]));
    await expect(several).rejects.toThrow('messages[1]');
    expect(await outbox.count()).toEqual({ waiting: 0, failed: 0 });
  });
}

describeOnBroker('an outbox in memory', (broker) => {
  suite(broker, {
    stores: async () => ({ store: new MemoryOutboxStore(), keys: new MemoryIdempotencyStore() }),
    transact: (work) => MemoryTransaction.run(work),
  });

  test('is bounded: past that, publish rejects, typed, and the transaction with it', async () => {
    const store = new MemoryOutboxStore({ maxMessages: 2 });
    const message = {
      key: undefined,
      exchange: '',
      routingKey: 'x',
      body: Buffer.from('1'),
      properties: {},
      mandatory: false,
      delay: 0,
    };
    const undone = MemoryTransaction.run(async (transaction) => {
      await store.add(transaction, [message, message]);
      // What is not committed yet has its place, too.
      await expect(MemoryTransaction.run((other) => store.add(other, [message]))).rejects.toThrow('it is full');
      throw new Trouble('no');
    });
    await expect(undone).rejects.toThrow(Trouble);
    await MemoryTransaction.run((transaction) => store.add(transaction, [message, message]));
    const third = MemoryTransaction.run((transaction) => store.add(transaction, [message]));
    await expect(third).rejects.toThrow('it is full: 2 messages');
    expect(await store.count()).toEqual({ waiting: 2, failed: 0 });
  });
});

describeOnPostgres('an outbox in PostgreSQL', (database) => {
  describeOnBroker('with one database', (broker) => {
    let count = 0;
    suite(broker, {
      stores: async () => {
        count += 1;
        const place = { schema: database.schema, table: `t'${broker.kind} "${String(count)}"` };
        const store = new PostgresOutboxStore(database.pool, place);
        await Promise.all([store.createTables(), store.createTables()]);
        const keys = new PostgresIdempotencyStore(database.pool, { ...place, table: `${place.table} keys` });
        await keys.createTables();
        return { store, keys };
      },
      transact: async (work) => {
        const client = await database.pool.connect();
        try {
          await client.query('BEGIN');
          const result = await work(client);
          await client.query('COMMIT');
          return result;
        } catch (error) {
          await client.query('ROLLBACK');
          throw error;
        } finally {
          client.release();
        }
      },
    });
  });
});
