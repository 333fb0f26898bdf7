/** `@Idempotent` on handlers of both kinds, with each store: what a user sees of it. */
import { BadRequestException, Controller, Injectable } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import {
  Ack,
  AmqpContext,
  AmqpModule,
  AmqpServer,
  Consume,
  Idempotent,
  IdempotencyModule,
  IdempotencyStoreError,
  MemoryIdempotencyStore,
  PostgresIdempotencyStore,
  type AckPolicy,
  type IdempotencyStore,
  type IdempotentOptions,
} from 'leveret';
import { describeOnBroker, type TestBroker } from '../../support/brokers.js';
import {
  Bystander,
  closeApplications,
  eventually,
  pause,
  startApplication,
  startModule,
} from '../../support/nest-app.js';
import { describeOnPostgres } from '../../support/postgres.js';

class Trouble extends Error {}

describe.each(['memory', 'transaction', 'lease'] as const)('@Idempotent, %s', (kind) => {
  const suite = (broker: TestBroker, store: () => IdempotencyStore): void => {
    const bystander = new Bystander();
    beforeAll(() => bystander.open(broker.url));
    afterAll(() => bystander.close());
    afterEach(closeApplications);

    /** A handler that does as it is told. */
    async function start(
      handle: (order: never, context: AmqpContext) => unknown,
      options: IdempotentOptions = {},
      policy: AckPolicy = { retry: 0 },
    ) {
      const queue = broker.unique('once');
      @Injectable()
      class Orders {
        @Consume(queue)
        @Ack(policy)
        @Idempotent({ scope: queue, ...options })
        onOrder(@Payload() order: never, @Ctx() context: AmqpContext): unknown {
          return handle(order, context);
        }
      }
      const imports = [IdempotencyModule.forRoot({ store: store() })];
      return { queue, ...(await startApplication({ url: broker.url }, { imports, providers: [Orders] })) };
    }

    test('runs a handler once for a message, however often it comes, and acknowledges its repeats', async () => {
      const seen: unknown[] = [];
      const { queue } = await start((order) => void seen.push(order));
      for (const id of ['a', 'b', 'a', 'a', 'b']) await bystander.send(queue, { id }, { messageId: id });
      await bystander.send(queue, { id: 'last' }, { messageId: 'last' });
      await eventually(() => expect(seen).toContainEqual({ id: 'last' }));
      await eventually(async () => expect(await bystander.count(queue)).toBe(0));
      expect(seen).toHaveLength(3);
      expect(seen).toEqual(expect.arrayContaining([{ id: 'a' }, { id: 'b' }]));
      await closeApplications();
      expect(await bystander.count(queue)).toBe(0);
      expect(await bystander.count(`${queue}.parked`)).toBe(0);
    });

    test('of many at a time with one id one is handled, and the others wait for it', async () => {
      let running = 0;
      let most = 0;
      let runs = 0;
      const { queue } = await start(async () => {
        running += 1;
        most = Math.max(most, running);
        await pause(200);
        running -= 1;
        runs += 1;
      });
      for (let index = 0; index < 15; index += 1) await bystander.send(queue, index, { messageId: 'forged' });
      await eventually(() => expect(runs).toBe(1));
      await eventually(async () => expect(await bystander.count(queue)).toBe(0));
      await closeApplications();
      expect([runs, most]).toEqual([1, 1]);
      expect(await bystander.count(queue)).toBe(0);
    });

    test('an error leaves the key free: the same message is handled when it comes again', async () => {
      const outcomes: string[] = [];
      const { queue } = await start(() => {
        outcomes.push(outcomes.length < 2 ? 'failed' : 'done');
        if (outcomes.length <= 2) throw new Trouble('not yet');
      });
      await bystander.send(queue, {}, { messageId: 'm' });
      for (let round = 0; round < 2; round += 1) {
        const parked = await bystander.take(`${queue}.parked`);
        expect(parked.properties.messageId).toBe('m');
        await bystander.send(queue, parked.body, { messageId: 'm' });
      }
      await eventually(() => expect(outcomes).toEqual(['failed', 'failed', 'done']));
      await bystander.send(queue, {}, { messageId: 'm' });
      await eventually(async () => expect(await bystander.count(queue)).toBe(0));
      await closeApplications();
      expect(outcomes).toHaveLength(3);
    });

    test('a message without an id is invalid: parked with that reason, and the handler never sees it', async () => {
      let runs = 0;
      const { queue, log } = await start(() => void (runs += 1));
      await bystander.send(queue, { id: 1 });
      await bystander.send(queue, { id: 2 }, { messageId: '' });
      for (let index = 0; index < 2; index += 1) {
        const { headers } = (await bystander.take(`${queue}.parked`)).properties;
        expect(headers).toMatchObject({ 'x-leveret-reason': 'invalid', 'x-leveret-error': 'MissingMessageIdError' });
      }
      expect(runs).toBe(0);
      expect(log.texts('error').join()).toContain('the message has no message id');
    });

    test('ids of any length and content are told apart', async () => {
      const seen: string[] = [];
      const { queue } = await start(({ id }: { id: string }) => void seen.push(JSON.stringify(id).slice(-20)), {
        key: ({ id }: { id: string }) => id,
      });
      const ids = [
        `${'x'.repeat(5_000)}1`,
        `${'x'.repeat(5_000)}2`,
        'nul\0',
        'nul',
        '\ud800',
        '\ud801',
        "'; DROP TABLE x; --",
        '__proto__',
      ];
      for (const id of [...ids, ...ids]) await bystander.send(queue, { id });
      await eventually(() => expect(seen.length).toBeGreaterThanOrEqual(ids.length));
      await closeApplications();
      expect(seen.toSorted()).toEqual(ids.map((id) => JSON.stringify(id).slice(-20)).toSorted());
      expect(await bystander.count(`${queue}.parked`)).toBe(0);
    });

    test('a key may be made of payload and context; one that is none is invalid, and its error is the message’s', async () => {
      const seen: unknown[] = [];
      const { queue } = await start((order) => void seen.push(order), {
        key: async ({ id }: { id?: string }, context: AmqpContext) => {
          if (id === 'bad') throw new BadRequestException('bad');
          return id && `${id} of ${context.getRoutingKey()}`;
        },
      });
      for (const id of ['a', 'a', undefined, 'bad']) await bystander.send(queue, { id });
      const names = [await bystander.take(`${queue}.parked`), await bystander.take(`${queue}.parked`)].map(
        ({ properties }) => properties.headers?.['x-leveret-error'],
      );
      expect(names.toSorted()).toEqual(['BadRequestException', 'MissingMessageIdError']);
      await eventually(async () => expect(await bystander.count(queue)).toBe(0));
      expect(seen).toEqual([{ id: 'a' }]);
    });

    test('a key is kept as long as it says', async () => {
      let runs = 0;
      const { queue } = await start(() => void (runs += 1), { keep: 300 });
      await bystander.send(queue, {}, { messageId: 'm' });
      await eventually(() => expect(runs).toBe(1));
      await pause(400);
      await bystander.send(queue, {}, { messageId: 'm' });
      await eventually(() => expect(runs).toBe(2));
    });

    test('one that another one works on for longer than `wait` goes back, whatever the policy says, and comes again', async () => {
      const runs: string[] = [];
      const gate: { open?: () => void } = {};
      const queue = broker.unique('once');
      const shared = store();
      const worker = (name: string) => {
        @Injectable()
        class Orders {
          @Consume({ queue, prefetch: 1 })
          @Ack({ then: 'drop' })
          @Idempotent({ scope: queue, wait: 100 })
          async onOrder(): Promise<void> {
            runs.push(name);
            if (runs.length === 1) await new Promise<void>((resolve) => (gate.open = resolve));
            if (runs.length === 1) throw new Trouble('the first fails');
          }
        }
        const imports = [IdempotencyModule.forRoot({ store: shared })];
        return startApplication({ url: broker.url }, { imports, providers: [Orders] });
      };
      const workers = [await worker('one'), await worker('two')];
      await bystander.send(queue, 1, { messageId: 'm' });
      await bystander.send(queue, 2, { messageId: 'm' });
      const logged = (): string => workers.map(({ log }) => log.texts().join('\n')).join('\n');
      await eventually(() => expect(logged()).toContain('KeyInUseError'));
      expect(runs).toHaveLength(1);
      gate.open?.();
      await eventually(() => expect(runs).toHaveLength(2));
      await closeApplications();
      expect(await bystander.count(queue)).toBe(0);
    });

    test('a handler that gives its message back by hand leaves the key free', async () => {
      let runs = 0;
      const { queue } = await start((_order, context) => {
        runs += 1;
        if (runs === 1) context.settlement?.requeue();
      });
      await bystander.send(queue, {}, { messageId: 'm' });
      await eventually(() => expect(runs).toBe(2));
      await bystander.send(queue, {}, { messageId: 'm' });
      await eventually(async () => expect(await bystander.count(queue)).toBe(0));
      await closeApplications();
      expect(runs).toBe(2);
    });

    test('a handler that acknowledges or drops by hand is refused, typed: its key is not remembered yet', async () => {
      const refused: unknown[] = [];
      const { queue } = await start((kind: 'ack' | 'drop', context) => {
        try {
          context.settlement?.[kind]();
        } catch (error) {
          refused.push(error);
          throw error;
        }
      });
      for (const act of ['ack', 'drop']) {
        await bystander.send(queue, JSON.stringify(act), { messageId: act });
        const { headers } = (await bystander.take(`${queue}.parked`)).properties;
        expect(headers).toMatchObject({ 'x-leveret-error': 'WrongStateError' });
      }
      expect(refused).toEqual([
        expect.objectContaining({ message: expect.stringMatching(/^ack: an @Idempotent handler .*returning/) }),
        expect.objectContaining({ message: expect.stringMatching(/^drop: /) }),
      ]);
    });

    test('two handlers of one message each handle it', async () => {
      const seen: string[] = [];
      const exchange = broker.unique('exchange');
      const queues = [broker.unique('once'), broker.unique('once')];
      // The keys of all runs are in one table.
      const keep = 2_000;
      const consuming = (queue: string) => Consume({ queue, exchange, routingKey: '' });
      @Injectable()
      class First {
        @consuming(queues[0] ?? '')
        @Idempotent({ keep })
        onOrder(): void {
          seen.push(this.constructor.name);
        }
      }
      @Injectable()
      class Second {
        @consuming(queues[1] ?? '')
        @Idempotent({ keep })
        onOrder(): void {
          seen.push(this.constructor.name);
        }
      }
      const imports = [IdempotencyModule.forRoot({ store: store() })];
      const exchanges = [{ name: exchange, type: 'fanout' }];
      await startApplication({ url: broker.url, exchanges }, { imports, providers: [First, Second] });
      const messageId = broker.unique('message');
      for (let index = 0; index < 2; index += 1) {
        await bystander.channel.publish(exchange, '', '{}', { messageId }, { mandatory: true });
      }
      await eventually(() => expect(seen.toSorted()).toEqual(['First', 'Second']));
      await closeApplications();
      expect(seen).toHaveLength(2);
    });

    test('event handlers of AmqpServer: one fails, and when the event comes again only that one runs', async () => {
      const queue = broker.unique('events');
      await bystander.channel.queueDeclare(queue);
      const runs = { one: 0, two: 0 };
      @Controller()
      class Events {
        @EventPattern('made')
        @Idempotent({ scope: `${queue} one` })
        one(@Payload() _event: unknown): void {
          runs.one += 1;
        }

        @EventPattern('made')
        @Ack({ errors: [[Trouble, { then: 'requeue' }]] })
        @Idempotent({ scope: `${queue} two` })
        two(@Payload() _event: unknown): void {
          runs.two += 1;
          if (runs.two === 1) throw new Trouble('once');
        }
      }
      const server = new AmqpServer({ url: broker.url, queue });
      const imports = [IdempotencyModule.forRoot({ store: store() })];
      const { app, log } = await startModule({ imports, controllers: [Events] }, (one) => {
        one.connectMicroservice({ strategy: server });
      });
      await app.startAllMicroservices();
      await bystander.send(queue, { pattern: 'made', data: {} }, { messageId: 'm' });
      await eventually(() => expect(runs).toEqual({ one: 1, two: 2 }));
      await bystander.send(queue, { pattern: 'made', data: {} });
      const parkedProperties = (await bystander.take(`${queue}.parked`)).properties;
      expect(parkedProperties.headers).toMatchObject({
        'x-leveret-reason': 'invalid',
        'x-leveret-error': 'MissingMessageIdError',
      });
      expect(log.texts().join()).toContain('the message has no message id');
      await closeApplications();
      expect(runs).toEqual({ one: 1, two: 2 });
    });
  };

  if (kind === 'memory') {
    describeOnBroker('with keys in memory', (broker) => {
      const store = new MemoryIdempotencyStore();
      suite(broker, () => store);
    });
  } else {
    describeOnPostgres(`keys, ${kind}`, (database) => {
      let store: PostgresIdempotencyStore | undefined;
      beforeAll(async () => {
        store = new PostgresIdempotencyStore(database.pool, { mode: kind, schema: database.schema, lease: 2_000 });
        await store.createTables();
        await store.createTables();
      });
      describeOnBroker('with keys in PostgreSQL', (broker) => {
        suite(broker, () => {
          if (!store) throw new Error('there is no store yet');
          return store;
        });
      });
    });
  }
});

describeOnBroker('@Idempotent without a store that works', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  async function start(store: IdempotencyStore) {
    const queue = broker.unique('once');
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume(queue)
      @Ack({ retry: 0 })
      @Idempotent()
      onOrder(order: unknown): void {
        seen.push(order);
      }
    }
    const imports = [IdempotencyModule.forRoot({ store, wait: 100 }), AmqpModule.forRoot({ url: broker.url })];
    return { queue, seen, ...(await startModule({ imports, providers: [Orders] })) };
  }

  test('a store that fails settles the message by policy, typed, and the handler does not run', async () => {
    const { queue, seen } = await start({
      protect: () => Promise.reject(new Error('connection refused')),
    });
    await bystander.send(queue, 1, { messageId: 'm' });
    const { headers } = (await bystander.take(`${queue}.parked`)).properties;
    expect(headers).toMatchObject({ 'x-leveret-error': IdempotencyStoreError.name });
    expect(seen).toEqual([]);
  });

  test('in memory, a handler that hangs past its timeout keeps its key for `lease`; what it does late is not committed', async () => {
    const store = new MemoryIdempotencyStore({ lease: 300 });
    const key = { scope: 's', key: 'k' };
    const ending = new AbortController();
    const options = { keep: 1_000, signal: ending.signal };
    let wake = (): void => undefined;
    let isCommitted = false;
    const hanging = store.protect(
      key,
      async (transaction) => {
        transaction.onCommit(() => {
          isCommitted = true;
        });
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      },
      options,
    );
    const next = (): Promise<string> => store.protect(key, () => Promise.resolve(), { keep: 1_000 });
    await pause(400);
    // It may take as long as it likes while somebody waits for it.
    expect(await next()).toBe('in-use');
    ending.abort();
    expect(await next()).toBe('in-use');
    await pause(350);
    expect(await next()).toBe('done');
    wake();
    await expect(hanging).rejects.toThrow(IdempotencyStoreError);
    expect(isCommitted).toBe(false);
    expect(await next()).toBe('repeated');
    expect(store.size).toBe(1);
  });

  test('a full memory store forgets what was done first; where all is in use it refuses', async () => {
    const store = new MemoryIdempotencyStore({ maxKeys: 2 });
    const { queue, seen } = await start(store);
    for (const id of ['a', 'b', 'c', 'b', 'a']) {
      await bystander.send(queue, JSON.stringify(id), { messageId: id });
      await eventually(async () => expect(await bystander.count(queue)).toBe(0));
      await pause(50);
    }
    expect(seen).toEqual(['a', 'b', 'c', 'a']);
    expect(store.size).toBe(2);
    const release: (() => void)[] = [];
    const options = { keep: 1_000 };
    const held = ['x', 'y'].map((key) =>
      store.protect({ scope: 's', key }, () => new Promise((resolve) => release.push(resolve)), options),
    );
    await bystander.send(queue, '"d"', { messageId: 'd' });
    const { headers } = (await bystander.take(`${queue}.parked`)).properties;
    expect(headers).toMatchObject({ 'x-leveret-error': IdempotencyStoreError.name });
    for (const end of release) end();
    await Promise.all(held);
    await bystander.send(queue, '"d"', { messageId: 'd' });
    await eventually(() => expect(seen.at(-1)).toBe('d'));
  });
});
