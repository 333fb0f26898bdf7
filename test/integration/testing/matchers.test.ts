/** The matchers in Jest; test/packaging has them in Vitest. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { amqpMatchers } from 'leveret/testing';
import { rejection } from '../../support/waiting.js';
import { Orders, OutOfStock } from './shop.module.js';
import { startedApplications } from './support.js';

describe('the matchers', () => {
  const start = startedApplications();
  const order = { id: 'a', amount: 1 };

  beforeAll(() => {
    expect.extend(amqpMatchers);
  });

  test('wait for what is to come, and pass', async () => {
    const app = await start();
    await app.publish('shop', 'order.created', order);
    await expect(app).toHavePublished({ exchange: 'shop', payload: { order: 'a' } });
    await expect(app).toHaveConsumed({ handler: 'Orders.onOrder', payload: expect.objectContaining({ id: 'a' }) });
    await expect(app).toHaveSettled({ queue: 'orders', outcome: 'ack', count: 1 });
  });

  test('behind .not wait until all is quiet', async () => {
    const app = await start();
    app.get(Orders).work = () => new Promise((_resolve, reject) => setTimeout(reject, 20, new OutOfStock()));
    await app.publish('shop', 'order.created', order);
    await expect(app).not.toHavePublished();
    await expect(app).not.toHaveConsumed({ outcome: 'ack' });
    await expect(app).not.toHaveSettled({ outcome: 'ack' });
    expect(app.consumed()).toHaveLength(1);
  });

  test('fail with the words of the expectation', async () => {
    const app = await start();
    await app.publish('shop', 'order.created', order);
    await app.idle();
    const missing = await rejection(expect(app).toHavePublished({ payload: { order: 'b' }, within: 50 }));
    expect(missing.message).toContain("payload.order: expected 'b', was 'a'");
    const unwanted = await rejection(expect(app).not.toHaveConsumed({ queue: 'orders' }));
    expect(unwanted.message).toContain("expected no consumed message with queue 'orders'");
  });

  test('say what they are for, and refuse what cannot be meant', async () => {
    const app = await start();
    const wrong = await rejection(expect('an application').toHavePublished());
    expect(wrong.message).toContain('testApplication');
    expect((await rejection(expect(app).not.toHavePublished({ count: 2 }))).message).toContain('leave the count out');
    expect((await rejection(expect(app).toHaveSettled({ count: -1 }))).message).toContain('count');
  });
});
