/** What a test waits for, and what it is told when that does not come. */
import { describe, expect, test } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import { Ack, Consume, HandlerTimeoutError, UnreadableBodyError, type AmqpClient } from 'leveret';
import { ArgumentError, TimeoutError } from 'leveret/amqp';
import { ExpectationError } from 'leveret/testing';
import { rejection } from '../../support/waiting.js';
import { Orders, OutOfStock, ShopModule, Unpayable, Unreachable } from './shop.module.js';
import { Patient, PatientModule } from './patient.module.js';
import { startedApplications } from './support.js';

describe('an expectation', () => {
  const start = startedApplications();
  const order = { id: 'a', amount: 1 };

  test('waits for what is published, and has what was published before', async () => {
    const app = await start();
    app.get(Orders).work = () => new Promise((resolve) => setTimeout(resolve, 30));
    await app.publish('shop', 'order.created', order);
    const expected = { exchange: 'shop', routingKey: /^invoice/, payload: { order: 'a' }, queue: 'invoices' };
    const [invoice] = await app.expectPublished(expected);
    expect(invoice).toMatchObject({ routingKey: 'invoice.created', payload: { order: 'a' } });
    expect(await app.expectPublished({ ...expected, count: 1, within: 500 })).toEqual([invoice]);
  });

  test('of what was consumed knows handler, payload, attempts, outcome and error', async () => {
    const app = await start();
    const orders = app.get(Orders);
    orders.work = () => Promise.reject(new OutOfStock('no carrots'));
    await app.publish('shop', 'order.created', order);
    const [refused] = await app.expectConsumed({ handler: 'Orders.onOrder', error: OutOfStock });
    expect(refused).toEqual({
      handler: 'Orders.onOrder',
      queue: 'orders',
      exchange: 'shop',
      routingKey: 'order.created',
      payload: order,
      attempts: 1,
      outcome: 'dead-letter',
      error: expect.objectContaining({ message: 'no carrots' }) as unknown,
    });
    let failures = 1;
    orders.work = () => (failures-- > 0 ? Promise.reject(new Unpayable()) : undefined);
    await app.publish('shop', 'order.created', { id: 'b', amount: 2 });
    await app.expectConsumed({ queue: 'orders', payload: { id: 'b' }, outcome: 'ack', error: undefined });
    const of = app.consumed('orders').map(({ payload, outcome }) => [(payload as { id: string }).id, outcome]);
    expect(of).toEqual([
      ['a', 'dead-letter'],
      ['b', 'requeue'],
      ['b', 'ack'],
    ]);
    expect(app.consumed('Orders.onOrder')).toEqual(app.consumed());
    expect(app.consumed('invoices')).toEqual([]);
  });

  test('tells retries apart, and counts them', async () => {
    const app = await start();
    app.get(Orders).work = () => Promise.reject(new Unreachable('the warehouse'));
    await app.publish('shop', 'order.created', order);
    await app.expectConsumed({ attempts: 3, outcome: 'park', error: /^the warehouse$/ });
    expect(app.consumed().map(({ attempts, outcome }) => [attempts, outcome])).toEqual([
      [1, 'retry'],
      [2, 'retry'],
      [3, 'park'],
    ]);
    expect(await app.expectSettled({ queue: 'orders', outcome: 'park', attempts: 3, payload: order })).toHaveLength(1);
    // Expecting takes nothing away.
    expect(await app.settled('orders')).toEqual([{ outcome: 'park', attempts: 3 }]);
  });

  test('knows what was kept from its handler: no JSON, too late', async () => {
    @Injectable()
    class Slow {
      @Consume({ queue: 'slow', timeout: 20 })
      @Ack({ retry: 0, then: 'drop' })
      onMessage(_message: unknown): Promise<void> {
        return new Promise((resolve) => setTimeout(resolve, 60));
      }
    }
    @Module({ imports: [ShopModule], providers: [Slow] })
    class SlowModule {}
    const app = await start({}, SlowModule);
    await app.publish('', 'slow', { id: 1 });
    await app.expectConsumed({
      handler: 'Slow.onMessage',
      payload: { id: 1 },
      outcome: 'drop',
      error: HandlerTimeoutError,
    });
    await app.publish('', 'slow', '{"id":');
    const [broken] = await app.expectConsumed({ error: UnreadableBodyError });
    expect(broken?.payload).toEqual(Buffer.from('{"id":'));
  });

  test('of a transport strategy knows the pattern and the data, of events and of requests', async () => {
    const app = await start({ strategies: [{ queue: 'stock' }] });
    await app.get<AmqpClient>('STOCK').request('stock.get', { sku: 'hay' });
    await app.expectConsumed({ handler: 'stock.get', queue: 'stock', payload: { sku: 'hay' }, outcome: 'ack' });
    await app.publish('', 'stock', { pattern: 'nobody.knows', data: 1 });
    await app.expectConsumed({ handler: 'nobody.knows', error: 'no handler', outcome: 'park' });
  });

  test('of a count is met when no more comes, and of none when all is quiet', async () => {
    const app = await start();
    app.get(Orders).work = () => new Promise((resolve) => setTimeout(resolve, 20));
    for (const id of ['a', 'b', 'c']) await app.publish('shop', 'order.created', { id, amount: 1 });
    expect(await app.expectPublished({ exchange: 'shop', count: 3 })).toHaveLength(3);
    expect(await app.expectPublished({ exchange: 'elsewhere', count: 0 })).toEqual([]);
    await app.publish('shop', 'order.created', { id: 'd', amount: 1 });
    const error = await rejection(app.expectPublished({ exchange: 'shop', count: 3 }));
    expect(error).toBeInstanceOf(ExpectationError);
    expect(error.message).toContain("expected exactly 3: published message with exchange 'shop'");
    expect(error.message).toContain('there were 4');
    const none = await rejection(app.expectPublished({ payload: { order: 'b' }, count: 0 }));
    expect(none.message).toContain('there was 1');
    expect(none.message).toContain("1. to 'shop' with 'invoice.created': { order: 'b' }");
  });

  test('that is not met says what was expected, the nearest that came, and what waits still', async () => {
    const app = await start();
    for (const id of ['a', 'b', 'c', 'd', 'e']) await app.publish('shop', 'order.created', { id, amount: 1 });
    await app.settled('orders');
    await app.publish('shop', 'invoice.created', { order: 'z' });
    const expected = { exchange: 'shop', routingKey: 'invoice.created', payload: { order: 'x' }, within: 30 };
    const error = await rejection(app.expectPublished(expected));
    expect(error).toBeInstanceOf(ExpectationError);
    expect(error.message).toBe(
      [
        "expected a published message with exchange 'shop', routingKey 'invoice.created', payload { order: 'x' } within 30 ms; " +
          'there was none, and 5 that differ',
        '',
        'the nearest of the others:',
        "  1. to 'shop' with 'invoice.created': { order: 'a' }",
        "       payload.order: expected 'x', was 'a'",
        "  2. to 'shop' with 'invoice.created': { order: 'b' }",
        "       payload.order: expected 'x', was 'b'",
        "  3. to 'shop' with 'invoice.created': { order: 'c' }",
        "       payload.order: expected 'x', was 'c'",
        '  and 2 more',
        '',
        'still waiting:',
        '  "invoices" (6 ready, 0 delivered, 0 consumers)',
      ].join('\n'),
    );
  });

  test('says so of a handler that is at work, and of what waits for its time', async () => {
    const app = await start({}, PatientModule);
    app.get(Patient).work = () => Promise.reject(new Error('the warehouse'));
    await app.publish('', 'patient', order);
    await app.expectConsumed({ outcome: 'retry' });
    let finish = (): void => undefined;
    app.get(Orders).work = () => new Promise<void>((resolve) => (finish = resolve));
    await app.publish('shop', 'order.created', order);
    const error = await rejection(app.expectConsumed({ attempts: 9, within: 1 }));
    expect(error.message).toContain(
      "Patient.onMessage from 'patient': { amount: 1, id: 'a' }, attempt 1, retry, Error 'the warehouse'",
    );
    expect(error.message).toContain('attempts: expected 9, was 1');
    expect(error.message).toMatch(
      /"orders" \(0 ready, 1 delivered, 1 consumers\)\n {2}"leveret\.delay\.1000" \(1 ready/,
    );
    expect(error.message).toMatch(/the next is due in \d+ ms \(advance\)/);
    finish();
  });

  test('with nothing that came at all says so', async () => {
    const app = await start();
    const error = await rejection(app.expectSettled({ queue: 'orders', within: 5 }));
    expect(error.message).toBe(
      "expected a settled message with queue 'orders' within 5 ms; there was none, and nothing else of the kind\n\n" +
        'nothing is waiting in any queue',
    );
  });

  test('that cannot be meant is refused at once', async () => {
    const app = await start();
    for (const wrong of [
      app.expectPublished({ count: -1 }),
      app.expectPublished({ count: 1.5 }),
      app.expectConsumed({ within: NaN }),
      app.expectConsumed({ routing: 'order.created' } as object),
      app.expectSettled({ error: Error } as object),
    ]) {
      expect(await rejection(wrong)).toBeInstanceOf(ArgumentError);
    }
  });

  test('idle waits for handlers, and says who is at work where they do not end', async () => {
    const app = await start();
    const orders = app.get(Orders);
    let finish = (): void => undefined;
    orders.work = () => new Promise<void>((resolve) => (finish = resolve));
    await app.publish('shop', 'order.created', order);
    const error = await rejection(app.idle({ timeout: 30 }));
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error.message).toContain('"orders" (0 ready, 1 delivered, 1 consumers)');
    finish();
    await app.idle();
    expect(orders.seen).toHaveLength(1);
    expect(app.published()).toHaveLength(1);
  });

  test('a transport without an answer: fake timers that hold up connections are named', async () => {
    const app = await start();
    const { setImmediate: real } = globalThis;
    globalThis.setImmediate = ((): void => undefined) as unknown as typeof setImmediate;
    try {
      for (const call of [
        app.publish('shop', 'order.created', order),
        app.settled('orders'),
        app.idle(),
        app.advance(1),
      ]) {
        expect((await rejection(call)).message).toContain('fake timers hold up setImmediate');
      }
    } finally {
      globalThis.setImmediate = real;
    }
  });
});
