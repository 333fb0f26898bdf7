/** AmqpTestingModule in `Test.createTestingModule`, on NestJS 12 and, under `npm run test:nest11`, on 11. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  Injectable,
  Module,
  type INestApplication,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { ClientsModule } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { AmqpClient, AmqpConnections, AmqpModule, AmqpServer, Consume, InjectPublisher, Publisher } from 'leveret';
import { AmqpTesting, AmqpTestingModule, testApplication } from 'leveret/testing';
import { programOptions } from '../../support/nest-version.js';
import { rejection, until } from '../../support/waiting.js';
import { Orders, ShopModule, Stock } from './shop.module.js';

const url = 'amqp://broker.invalid';

describe('AmqpTestingModule', () => {
  const open: { close(): Promise<void> }[] = [];

  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.close()));
  });

  const initialised = async (module: ReturnType<typeof Test.createTestingModule>): Promise<INestApplication> => {
    const moduleRef = await module.compile();
    const nest = moduleRef.createNestApplication({ logger: false });
    open.push(nest);
    return nest.init();
  };

  test('leads an unchanged module, with what was overridden, to a broker of its own', async () => {
    const seen: unknown[] = [];
    const nest = await initialised(
      Test.createTestingModule({ imports: [ShopModule, AmqpTestingModule] })
        .overrideProvider(Stock)
        .useValue({}),
    );
    const amqp = nest.get(AmqpTesting);
    nest.get(Orders).work = (order) => seen.push(order);
    await amqp.publish('shop', 'order.created', { id: 'a', amount: 1 });
    expect(await amqp.settled('orders')).toEqual([{ outcome: 'ack', attempts: 1 }]);
    await amqp.expectPublished({ exchange: 'shop', payload: { order: 'a' }, count: 1 });
    await amqp.expectConsumed({ handler: 'Orders.onOrder', outcome: 'ack' });
    expect(seen).toHaveLength(1);
    expect(amqp.virtualHost).toBe('shop');
  });

  test('a publish before init is refused, and one after it goes to the virtual host of the application', async () => {
    const moduleRef = await Test.createTestingModule({ imports: [ShopModule, AmqpTestingModule] }).compile();
    open.push(moduleRef);
    const amqp = moduleRef.get(AmqpTesting);
    expect((await rejection(amqp.publish('shop', 'order.created', {}))).message).toBe('there is no exchange "shop"');
    await moduleRef.init();
    await amqp.publish('shop', 'order.created', { id: 'a', amount: 1 });
    expect(await amqp.settled('orders')).toHaveLength(1);
  });

  test('closing ends faults first, and waits no longer for a handler than it may', async () => {
    const nest = await initialised(
      Test.createTestingModule({ imports: [AmqpTestingModule.forRoot({ drainTimeout: 30 }), ShopModule] }),
    );
    const amqp = nest.get(AmqpTesting);
    nest.get(Orders).work = () => new Promise(() => undefined);
    await amqp.publish('shop', 'order.created', { id: 'a', amount: 1 });
    await until('the handler runs', () => amqp.broker.inspect.queue('orders', 'shop')?.unackedCount === 1);
    amqp.broker.faults.on().silence('both');
    const began = performance.now();
    await nest.close();
    expect(performance.now() - began).toBeLessThan(1_500);
  });

  test('is first in `imports` or last, by itself or by forRoot, and other modules may use it', async () => {
    @Module({ imports: [AmqpTestingModule, ShopModule] })
    class Around {}
    for (const imports of [
      [AmqpTestingModule, ShopModule],
      [ShopModule, AmqpTestingModule],
      [Around, AmqpTestingModule],
    ]) {
      const nest = await initialised(Test.createTestingModule({ imports }));
      await nest.get(AmqpTesting).publish('shop', 'order.created', { id: 'a', amount: 1 });
      expect(await nest.get(AmqpTesting).settled('orders')).toHaveLength(1);
    }
    const old = AmqpTestingModule.forRoot({ broker: { emulate: '3.10', port: 0 } });
    const nest = await initialised(Test.createTestingModule({ imports: [ShopModule, old] }));
    expect(nest.get(AmqpTesting).broker.port).toBeGreaterThan(0);
    const { serverProperties } = nest.get(AmqpConnections).get('default', 'a test').connection;
    expect(serverProperties['version']).toMatch(/^3\.10/);
  });

  test('leads strategies, connected before or after init, and clients, also where there is no AmqpModule', async () => {
    @Module({
      imports: [
        AmqpTestingModule,
        ClientsModule.registerAsync([
          { name: 'STOCK', useFactory: () => ({ customClass: AmqpClient, options: { url, queue: 'stock' } }) },
        ]),
      ],
      controllers: [Stock],
    })
    class StockModule {}
    for (const isBefore of [true, false]) {
      const nest = (await Test.createTestingModule({ imports: [StockModule] }).compile()).createNestApplication({
        logger: false,
      });
      open.push(nest);
      if (!isBefore) await nest.init();
      nest.connectMicroservice({ strategy: new AmqpServer({ queue: 'stock' }) }, { inheritAppConfig: true });
      await nest.startAllMicroservices();
      await nest.init();
      const client = nest.get<AmqpClient>('STOCK', { strict: false });
      expect(await client.request('stock.get', { sku: 'hay' })).toEqual({ sku: 'hay', left: 7 });
      await nest.get(AmqpTesting).expectConsumed({ handler: 'stock.get', outcome: 'ack' });
    }
  });

  test('leads a microservice that is nothing else', async () => {
    const moduleRef = await Test.createTestingModule({ imports: [ShopModule, AmqpTestingModule] }).compile();
    const server = moduleRef.createNestMicroservice({ strategy: new AmqpServer({ queue: 'stock' }), logger: false });
    open.push(server);
    await server.listen();
    const amqp = server.get(AmqpTesting);
    await amqp.publish('', 'stock', { pattern: 'stock.changed', data: { sku: 'hay' } });
    await amqp.expectConsumed({ handler: 'stock.changed', outcome: 'ack' });
    expect(server.get(Stock).events).toEqual([{ sku: 'hay' }]);
  });

  test('is before the hooks of every module, and after them', async () => {
    @Injectable()
    class Early implements OnModuleInit, OnApplicationShutdown {
      constructor(@InjectPublisher({ exchange: 'early' }) private readonly publisher: Publisher) {}

      async onModuleInit(): Promise<void> {
        await this.publisher.publish('early', {});
      }

      async onApplicationShutdown(): Promise<void> {
        await this.publisher.publish('late', {});
      }
    }
    @Module({
      imports: [AmqpModule.forRoot({ url, exchanges: [{ name: 'early', type: 'topic' }] }), AmqpTestingModule],
      providers: [Early],
    })
    class EarlyModule {}
    const nest = await initialised(Test.createTestingModule({ imports: [EarlyModule] }));
    const amqp = nest.get(AmqpTesting);
    // NestJS 11 would run its hooks once more.
    open.splice(0);
    await nest.close();
    expect(amqp.published('early').map(({ routingKey }) => routingKey)).toEqual(['early', 'late']);
    expect(amqp.broker.inspect.connections()).toEqual([]);
    expect((await rejection(amqp.publish('early', 'early', {}))).message).toContain('closed');
  });

  test('several connections, each in a virtual host of its own, are all led there', async () => {
    class Elsewhere {
      @Consume({ queue: 'elsewhere', connection: 'other' })
      onMessage(): void {}
    }
    @Module({
      imports: [ShopModule, AmqpModule.forRoot({ url: `${url}/other`, name: 'other' }), AmqpTestingModule],
      providers: [Elsewhere],
    })
    class BothModule {}
    const nest = await initialised(Test.createTestingModule({ imports: [BothModule] }));
    const { broker } = nest.get(AmqpTesting);
    expect(broker.inspect.queue('orders', 'shop')?.consumerCount).toBe(1);
    expect(broker.inspect.queue('elsewhere', 'other')?.consumerCount).toBe(1);
  });

  test('shares nothing with another one, nor with testApplication, in the same process', async () => {
    const create = (): Promise<INestApplication> =>
      initialised(Test.createTestingModule({ imports: [ShopModule, AmqpTestingModule] }));
    const [first, second, third] = await Promise.all([
      create(),
      create(),
      testApplication(ShopModule, { logger: false }),
    ]);
    open.push(third);
    await first.get(AmqpTesting).publish('shop', 'order.created', { id: 'a', amount: 1 });
    expect(await first.get(AmqpTesting).settled('orders')).toHaveLength(1);
    for (const other of [second.get(AmqpTesting), third]) {
      expect(await other.settled('orders')).toEqual([]);
      expect([other.published(), other.consumed()]).toEqual([[], []]);
    }
  });

  test('twice, or beside testApplication, is an error that says so', async () => {
    const twice = Test.createTestingModule({ imports: [ShopModule, AmqpTestingModule, AmqpTestingModule.forRoot({})] });
    expect((await rejection(initialised(twice))).message).toContain('imported twice');
    @Module({ imports: [ShopModule, AmqpTestingModule] })
    class Tested {}
    expect((await rejection(testApplication(Tested, { logger: false }))).message).toContain('AmqpTestingModule');
  });

  test('a module that is compiled and never initialised connects nothing', async () => {
    const moduleRef = await Test.createTestingModule({ imports: [ShopModule, AmqpTestingModule] }).compile();
    expect(moduleRef.get(AmqpTesting).broker.inspect.connections()).toEqual([]);
    await moduleRef.close();
  });

  test('the connections are cut while a handler runs: the message comes again', async () => {
    const nest = await initialised(Test.createTestingModule({ imports: [ShopModule, AmqpTestingModule] }));
    const amqp = nest.get(AmqpTesting);
    let finish = (): void => undefined;
    nest.get(Orders).work = () => new Promise<void>((resolve) => (finish = resolve));
    await amqp.publish('shop', 'order.created', { id: 'a', amount: 1 });
    await until('the handler runs', () => amqp.broker.inspect.queue('orders', 'shop')?.unackedCount === 1);
    amqp.broker.faults.dropAll();
    nest.get(Orders).work = () => undefined;
    finish();
    await amqp.expectConsumed({ handler: 'Orders.onOrder', outcome: 'stale' });
    expect(await amqp.settled('orders')).toEqual([{ outcome: 'ack', attempts: 2 }]);
  });

  test('a process whose application is closed ends by itself', async () => {
    const program = fileURLToPath(new URL('module-leaves-nothing-open.fixture.ts', import.meta.url));
    const { NODE_OPTIONS: _options, ...env } = process.env;
    const output = await new Promise((resolve, reject) => {
      execFile(process.execPath, [...programOptions, program], { env, timeout: 60_000 }, (error, stdout, stderr) => {
        if (error) reject(new Error(stderr, { cause: error }));
        else resolve(stdout.trim());
      });
    });
    expect(output).toBe('[{"outcome":"ack","attempts":1}]');
  }, 70_000);
});
