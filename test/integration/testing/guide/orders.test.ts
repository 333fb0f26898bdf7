/** The tests of docs/testing.md. What is in the guide stands in here, word for word. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Test, type TestingModule } from '@nestjs/testing';
import type { AmqpClient } from 'leveret';
import { amqpMatchers, AmqpTesting, AmqpTestingModule, testApplication, type TestApplication } from 'leveret/testing';
import { AppModule, Orders, OutOfStock, Warehouse } from './app.module.js';

test('an order is handled', async () => {
  const app = await testApplication(AppModule);
  await app.publish('shop', 'order.created', { id: 'a' });
  expect(await app.settled('orders')).toEqual([{ outcome: 'ack', attempts: 1 }]);
  await app.close();
});

describe('an order', () => {
  let app: TestApplication;

  beforeEach(async () => {
    app = await testApplication(AppModule, { logger: false });
  });

  afterEach(() => app.close());

  test('is reserved, and the others are told', async () => {
    await app.publish('shop', 'order.created', { id: 'a' });
    const [reserved] = await app.expectPublished({
      exchange: 'shop',
      routingKey: 'order.reserved',
      payload: { id: 'a' },
    });
    expect(reserved?.properties.deliveryMode).toBe(2);
    await app.expectConsumed({ handler: 'Orders.onReserved', payload: { id: 'a' }, outcome: 'ack' });
  });

  test('that nobody has in stock is dropped, and nobody is told', async () => {
    app.get(Warehouse).reserve = () => Promise.reject(new OutOfStock('no carrots'));
    await app.publish('shop', 'order.created', { id: 'a' });
    await app.expectConsumed({ queue: 'orders', outcome: 'drop', error: OutOfStock });
    await app.expectPublished({ exchange: 'shop', count: 0 });
  });

  expect.extend(amqpMatchers);

  test('by the matchers', async () => {
    await app.publish('shop', 'order.created', { id: 'a' });
    await expect(app).toHavePublished({ routingKey: 'order.reserved', payload: { id: 'a' }, count: 1 });
    await expect(app).toHaveConsumed({ handler: 'Orders.onOrder', attempts: 1, outcome: 'ack' });
    await expect(app).toHaveSettled({ queue: 'orders', outcome: 'ack' });
    await expect(app).not.toHaveConsumed({ outcome: 'park' });
  });

  test('is tried again after 1, 4 and 16 seconds, and parked then', async () => {
    app.get(Warehouse).reserve = () => Promise.reject(new Error('the warehouse burns'));
    await app.publish('shop', 'order.created', { id: 'a' });
    await app.advance(5_000);
    expect(app.consumed('orders').map(({ outcome }) => outcome)).toEqual(['retry', 'retry', 'retry']);
    await app.advance(16_000);
    expect(await app.settled('orders')).toEqual([{ outcome: 'park', attempts: 4 }]);
    expect(app.broker.inspect.queue('orders.parked')?.messageCount).toBe(1);
  });

  test('gets through when the warehouse is back', async () => {
    let failures = 2;
    app.get(Warehouse).reserve = () => (failures-- > 0 ? Promise.reject(new Error('busy')) : undefined);
    await app.publish('shop', 'order.created', { id: 'a' });
    expect(await app.settled('orders', { skipDelays: true })).toEqual([{ outcome: 'ack', attempts: 3 }]);
  });

  test('survives a cut while it is handled', async () => {
    app.get(Warehouse).reserve = () => app.broker.faults.dropAll();
    await app.publish('shop', 'order.created', { id: 'a' });
    await app.expectConsumed({ queue: 'orders', outcome: 'stale' });
    app.get(Warehouse).reserve = () => undefined;
    await app.expectConsumed({ queue: 'orders', outcome: 'ack' });
  });

  test('in a batch that is cut in its middle is shipped again with all of it', async () => {
    const shipped: string[] = [];
    app.get(Warehouse).ship = (orders) => {
      for (const { id } of orders) {
        shipped.push(id);
        if (shipped.length === 2) app.broker.faults.dropAll();
      }
    };
    for (const id of ['a', 'b', 'c']) await app.publish('shop', 'order.reserved', { id });
    const twice = { outcome: 'ack', attempts: 2 };
    expect(await app.settled('shipments')).toEqual([twice, twice, twice]);
    expect(shipped).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  });

  test('under fake timers', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    try {
      app.get(Warehouse).reserve = () => Promise.reject(new Error('the warehouse burns'));
      await app.publish('shop', 'order.created', { id: 'a' });
      await app.idle();
      await jest.advanceTimersByTimeAsync(1_000);
      await app.expectConsumed({ queue: 'orders', attempts: 2, outcome: 'retry' });
    } finally {
      jest.useRealTimers();
    }
  });

  test('has these queues and bindings', () => {
    expect(app.topology()).toMatchSnapshot();
  });
});

describe('with overrides', () => {
  let moduleRef: TestingModule;
  let amqp: AmqpTesting;

  beforeEach(async () => {
    moduleRef = await Test.createTestingModule({ imports: [AppModule, AmqpTestingModule] })
      .overrideProvider(Warehouse)
      .useValue({ reserve: () => undefined, ship: () => undefined })
      .compile();
    await moduleRef.init();
    amqp = moduleRef.get(AmqpTesting);
  });

  afterEach(() => moduleRef.close());

  test('an order is handled', async () => {
    await amqp.publish('shop', 'order.created', { id: 'a' });
    await amqp.expectConsumed({ handler: 'Orders.onOrder', outcome: 'ack' });
    expect(moduleRef.get(Orders)).toBeDefined();
  });
});

test('the stock answers', async () => {
  const app = await testApplication(AppModule, { strategies: [{ queue: 'stock' }] });
  const client = app.get<AmqpClient>('STOCK');
  expect(await client.request('stock.get', 'hay')).toEqual({ sku: 'hay', left: 7 });
  await app.expectConsumed({ handler: 'stock.get', payload: 'hay', outcome: 'ack' });
  await app.close();
});
