/** `leveret/testing` as the tests of an application use it. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, jest, test } from '@jest/globals';
import { Module, ValidationPipe } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { IsInt } from 'class-validator';
import { Consume, AmqpServer, type AmqpClient } from 'leveret';
import { ArgumentError, ChannelClosedByBrokerError, UnroutableError, WrongStateError } from 'leveret/amqp';
import { testApplication } from 'leveret/testing';
import { nestMajor, programOptions } from '../../support/nest-version.js';
import { rejection, until } from '../../support/waiting.js';
import { Orders, OutOfStock, ShopModule, Stock, Unpayable, Unreachable } from './shop.module.js';
import { startedApplications } from './support.js';

describe('an application module on a private broker', () => {
  const start = startedApplications();

  test('handles a message through its whole pipeline, and tells how it ended', async () => {
    const app = await start();
    await app.publish('shop', 'order.created', { id: 'a', amount: 1 });
    expect(await app.settled('orders')).toEqual([{ outcome: 'ack', attempts: 1 }]);
    expect(app.get(Orders).seen).toEqual([{ id: 'a', amount: 1 }]);
  });

  test('tells each end once', async () => {
    const app = await start();
    for (const id of ['a', 'b', 'c']) await app.publish('shop', 'order.created', { id, amount: 1 });
    expect(await app.settled('orders')).toHaveLength(3);
    expect(await app.settled('orders')).toEqual([]);
  });

  test('lists what the application published, and not what the test did', async () => {
    const app = await start();
    await app.publish('shop', 'order.created', { id: 'a', amount: 1 });
    await app.settled('orders');
    expect(app.published('shop')).toMatchObject([
      { routingKey: 'invoice.created', payload: { order: 'a' }, queues: ['invoices'] },
    ]);
    expect(app.published('elsewhere')).toEqual([]);
  });

  test('tells parked, dead-lettered and requeued messages apart', async () => {
    const app = await start();
    const orders = app.get(Orders);
    orders.work = () => Promise.reject(new Error('no idea'));
    await app.publish('shop', 'order.created', { id: 'a', amount: 1 });
    expect(await app.settled('orders')).toEqual([{ outcome: 'park', attempts: 1 }]);
    expect(app.broker.inspect.messages('orders.parked', 'shop')).toHaveLength(1);

    orders.work = () => Promise.reject(new OutOfStock());
    await app.publish('shop', 'order.created', { id: 'b', amount: 1 });
    expect(await app.settled('orders')).toEqual([{ outcome: 'dead-letter', attempts: 1 }]);
    expect(app.broker.inspect.messages('dead-orders', 'shop')).toHaveLength(1);

    let failures = 2;
    orders.work = () => (failures-- > 0 ? Promise.reject(new Unpayable()) : undefined);
    await app.publish('shop', 'order.created', { id: 'c', amount: 1 });
    expect(await app.settled('orders')).toEqual([{ outcome: 'ack', attempts: 3 }]);
  });

  test('waits for what is tried again, and counts its runs', async () => {
    const app = await start();
    const orders = app.get(Orders);
    let failures = 2;
    orders.work = () => (failures-- > 0 ? Promise.reject(new Unreachable()) : undefined);
    await app.publish('shop', 'order.created', { id: 'a', amount: 1 });
    expect(await app.settled('orders')).toEqual([{ outcome: 'ack', attempts: 3 }]);
    failures = 9;
    await app.publish('shop', 'order.created', { id: 'b', amount: 1 });
    expect(await app.settled('orders')).toEqual([{ outcome: 'park', attempts: 3 }]);
    expect(app.published('shop')).toHaveLength(1);
  });

  test('a body that is no JSON goes as it is', async () => {
    const app = await start();
    await app.publish('shop', 'order.created', '{"id":');
    expect(await app.settled('orders')).toEqual([{ outcome: 'park', attempts: 1 }]);
  });

  test('a publish that no queue takes is an error, unless the test means it', async () => {
    const app = await start();
    expect(await rejection(app.publish('shop', 'nobody.cares', {}))).toBeInstanceOf(UnroutableError);
    await app.publish('shop', 'nobody.cares', {}, { mandatory: false });
  });

  test('a publish that is refused is said to be, and the next goes on', async () => {
    const app = await start();
    expect((await rejection(app.publish('noex', 'k', {}))).message).toBe('there is no exchange "noex"');
    const refused = await rejection(app.publish('shop', 'order.created', {}, { userId: 'somebody' }));
    expect(refused).toBeInstanceOf(ChannelClosedByBrokerError);
    expect(refused.message).toContain('406 PRECONDITION_FAILED');
    const ids = ['a', 'b', 'c'];
    await Promise.all(ids.map((id) => app.publish('shop', 'order.created', { id, amount: 1 })));
    expect(await app.settled('orders')).toHaveLength(3);
    expect(app.get(Orders).seen.map(({ id }) => id)).toEqual(ids);
  });

  test('a publish that comes before the start is refused, and one after it goes on', async () => {
    const app = await start({ start: false });
    expect((await rejection(app.publish('shop', 'order.created', {}))).message).toBe('there is no exchange "shop"');
    await app.start();
    await app.publish('shop', 'order.created', { id: 'a', amount: 1 });
    expect(await app.settled('orders')).toHaveLength(1);
  });

  test('fake timers that would hold up its start are named', async () => {
    jest.useFakeTimers();
    try {
      const error = await rejection(testApplication(ShopModule));
      expect(error).toBeInstanceOf(WrongStateError);
      expect(error.message).toContain('fake timers hold up setImmediate');
    } finally {
      jest.useRealTimers();
    }
  });

  test('what is no module is refused in words', async () => {
    const given = async (module: unknown): Promise<string> =>
      (await rejection(testApplication(module as typeof ShopModule, { logger: false }))).message;
    expect(await given(undefined)).toBe('module: must be a module class or an application, not undefined');
    expect(await given('ShopModule')).toBe('module: must be a module class or an application, not "ShopModule"');
    const moduleRef = await Test.createTestingModule({}).compile();
    expect(await given(moduleRef)).toContain('is a TestingModule: give what its createNestApplication() makes');
    await moduleRef.close();
  });

  test('once it is closed nothing is waited for, and what came before is there', async () => {
    const app = await start();
    await app.publish('shop', 'order.created', { id: 'a', amount: 1 });
    await app.settled('orders');
    await app.close();
    for (const call of [app.settled('orders'), app.idle(), app.advance(1), app.publish('shop', 'order.created', {})]) {
      expect((await rejection(call)).message).toBe('the application is closed');
    }
    const began = performance.now();
    expect(await app.expectConsumed({ queue: 'orders' })).toHaveLength(1);
    const error = await rejection(app.expectConsumed({ queue: 'order', within: 60_000 }));
    expect(error.message).toContain('"order" before the application was closed; there was none'.replaceAll('"', "'"));
    expect(performance.now() - began).toBeLessThan(30_000);
  });

  test('what is wrong with a number quotes a string', async () => {
    const port = '0' as unknown as number;
    const app = await rejection(start({ broker: { port } }));
    expect(app.message).toBe('port: must be an integer from 0 to 65535, not "0"');
  });

  test('settled waits no longer than it may, and names what is missing', async () => {
    const app = await start();
    await app.publish('shop', 'invoice.created', {});
    const error = await rejection(app.settled('invoices', { timeout: 30 }));
    expect(error.message).toContain('"invoices" (1 ready, 0 delivered, 0 consumers)');
    expect((await rejection(app.settled('order'))).message).toContain('there is no queue "order"');
  });

  test('the connections are cut while a handler runs: the message comes again', async () => {
    const app = await start();
    const orders = app.get(Orders);
    let finish = (): void => undefined;
    orders.work = () => new Promise<void>((resolve) => (finish = resolve));
    await app.publish('shop', 'order.created', { id: 'a', amount: 1 });
    await until('the handler runs', () => app.broker.inspect.queue('orders', 'shop')?.unackedCount === 1);
    expect(app.broker.faults.dropAll()).toBe(1);
    orders.work = () => undefined;
    finish();
    expect(await app.settled('orders')).toEqual([{ outcome: 'ack', attempts: 2 }]);
    await app.publish('shop', 'order.created', { id: 'b', amount: 1 });
    expect(await app.settled('orders')).toEqual([{ outcome: 'ack', attempts: 1 }]);
  });

  test('faults meet the application, and not what the test publishes', async () => {
    const app = await start();
    await app.publish('shop', 'order.created', { id: 'a', amount: 1 });
    expect(await app.settled('orders')).toHaveLength(1);
    const { faults, inspect } = app.broker;
    faults.delayConfirms(Infinity);
    faults.blockAll();
    faults.refuseLogins();
    expect(faults.dropAll()).toBe(1);
    await app.publish('shop', 'order.created', { id: 'b', amount: 1 });
    expect(inspect.connections()).toEqual([]);
    expect(inspect.queue('orders', 'shop')).toMatchObject({ messageCount: 1, consumerCount: 0 });
  });

  test('strategies serve requests and events, and the clients in the container find them', async () => {
    const app = await start({ strategies: [{ queue: 'stock' }] });
    const client = app.get<AmqpClient>('STOCK');
    expect(await client.request('stock.get', { sku: 'hay' })).toEqual({ sku: 'hay', left: 7 });
    await app.publish('', 'stock', { pattern: 'stock.changed', data: { sku: 'hay' } });
    expect(await app.settled('stock')).toEqual([
      { outcome: 'ack', attempts: 1 },
      { outcome: 'ack', attempts: 1 },
    ]);
    expect(app.get(Stock).events).toEqual([{ sku: 'hay' }]);
  });

  test('a strategy that is made already is pointed at the broker too', async () => {
    const server = new AmqpServer({ url: 'amqp://broker.invalid/shop', queue: 'stock' });
    const app = await start({ strategies: [server] });
    expect(await app.get<AmqpClient>('STOCK').request('stock.get', { sku: 'hay' })).toMatchObject({ left: 7 });
  });

  test('two applications in one process share nothing', async () => {
    const [first, second] = await Promise.all([start(), start()]);
    await first.publish('shop', 'order.created', { id: 'a', amount: 1 });
    expect(await first.settled('orders')).toHaveLength(1);
    expect(await second.settled('orders')).toEqual([]);
    expect(second.get(Orders).seen).toEqual([]);
    second.broker.faults.refuseLogins();
    second.broker.faults.dropAll();
    await first.publish('shop', 'order.created', { id: 'b', amount: 1 });
    expect(await first.settled('orders')).toHaveLength(1);
  });

  test('what configure sets up holds for the handlers of both kinds', async () => {
    class Amount {
      @IsInt()
      amount!: number;
    }
    class Strict {
      @Consume('amounts')
      onAmount(_amount: Amount): void {}
    }
    Reflect.defineMetadata('design:paramtypes', [Amount], Strict.prototype, 'onAmount');
    @Module({ imports: [ShopModule], providers: [Strict] })
    class StrictShopModule {}
    const app = await start({ configure: (nest) => nest.useGlobalPipes(new ValidationPipe()) }, StrictShopModule);
    await app.publish('', 'amounts', { amount: 'much' });
    await app.publish('', 'amounts', { amount: 3 });
    const ends = await app.settled('amounts');
    expect(ends.map(({ outcome }) => outcome).sort()).toEqual(['ack', 'park']);
  });

  test('what is made with @nestjs/testing and its overrides runs as well', async () => {
    const seen: unknown[] = [];
    const moduleRef = await Test.createTestingModule({ imports: [ShopModule] })
      .overrideProvider(Stock)
      .useValue({})
      .compile();
    const nest = moduleRef.createNestApplication({ logger: false });
    const app = await start({}, nest);
    app.get(Orders).work = (order) => seen.push(order);
    await app.publish('shop', 'order.created', { id: 'a', amount: 1 });
    expect(await app.settled('orders')).toEqual([{ outcome: 'ack', attempts: 1 }]);
    expect(seen).toHaveLength(1);
  });

  test('without start nothing is connected or declared, until it is asked for', async () => {
    const app = await start({ start: false });
    expect(app.broker.inspect.queues('shop')).toEqual([]);
    await Promise.all([app.start(), app.start()]);
    expect(app.broker.inspect.queue('orders', 'shop')?.consumerCount).toBe(1);
  });

  test('an application that cannot start says why, and leaves nothing open', async () => {
    class Wrong {
      @Consume({ queue: 'orders', connection: 'nowhere' })
      onOrder(): void {}
    }
    @Module({ imports: [ShopModule], providers: [Wrong] })
    class WrongModule {}
    const error = await rejection(testApplication(WrongModule, { logger: false }));
    expect(error.message).toContain('there is no connection "nowhere"');
  });

  test('plain metadata is a module on NestJS 12, and none on NestJS 11', async () => {
    const starting = start({}, { imports: [ShopModule] });
    if (nestMajor < 12) {
      await expect(starting).rejects.toThrow('metatype is not a constructor');
      return;
    }
    const app = await starting;
    await app.publish('shop', 'order.created', { id: 'a', amount: 1 });
    expect(await app.settled('orders')).toEqual([{ outcome: 'ack', attempts: 1 }]);
  });

  test('closing waits for running handlers, and ends everything', async () => {
    const app = await start();
    const orders = app.get(Orders);
    orders.work = () => new Promise((resolve) => setTimeout(resolve, 50));
    await app.publish('shop', 'order.created', { id: 'a', amount: 1 });
    await until('the handler runs', () => app.broker.inspect.queue('orders', 'shop')?.unackedCount === 1);
    await app.close();
    await app.close();
    expect(orders.seen).toHaveLength(1);
    expect(app.broker.inspect.connections()).toEqual([]);
    await expect(app.publish('shop', 'order.created', {})).rejects.toThrow('closed');
  });

  test('closing ends faults first, and waits no longer for a handler than it may', async () => {
    const app = await start({ strategies: [{ queue: 'stock' }], drainTimeout: 30 });
    app.get(Orders).work = () => new Promise(() => undefined);
    const reads = jest.spyOn(app.get(Stock), 'onChange').mockReturnValue(new Promise(() => undefined) as never);
    await app.publish('shop', 'order.created', { id: 'a', amount: 1 });
    await app.publish('', 'stock', { pattern: 'stock.changed', data: { sku: 'hay' } });
    const unacked = (queue: string): boolean => app.broker.inspect.queue(queue, 'shop')?.unackedCount === 1;
    await until('both handlers run', () => unacked('orders') && unacked('stock'));
    app.broker.faults.on().silence('both');
    const began = performance.now();
    await app.close();
    expect(performance.now() - began).toBeLessThan(1_500);
    reads.mockRestore();
  });

  test.each([-1, '5' as unknown as number])('has no drainTimeout of %p', async (drainTimeout) => {
    expect(await rejection(start({ drainTimeout }))).toBeInstanceOf(ArgumentError);
  });

  test('a process whose application is closed ends by itself', async () => {
    const program = fileURLToPath(new URL('leaves-nothing-open.fixture.ts', import.meta.url));
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
