/** A slow handler holds what its prefetch allows and no more; the rest stays in the queue, for others. */
import { Controller, Injectable } from '@nestjs/common';
import { Consume, type ConsumeOptions } from 'leveret';
import { describeOnBroker } from '../../support/brokers.js';
import { Bystander, closeApplications, eventually, pause, startApplication } from '../../support/nest-app.js';
import { Bench, EventPattern } from '../transport/support.js';

const messages = 200;
const body = JSON.stringify({ pattern: 'order', data: 'x'.repeat(10_000) });

describeOnBroker('back-pressure', (broker) => {
  const bystander = new Bystander();
  const bench = new Bench(() => broker.url);
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  beforeEach(() => bench.begin());
  afterEach(async () => {
    await bench.end();
    await closeApplications();
  });

  /** Fills the queue, and looks while nothing moves, and again once some were handled. */
  async function expectHeld(queue: string, most: number, release: () => void, handled: () => number): Promise<void> {
    const key = { headers: { customer: 'anna' } };
    await Promise.all(Array.from({ length: messages }, () => bystander.send(queue, body, key)));
    await eventually(async () => expect(await bystander.count(queue)).toBe(messages - most));
    await pause(100);
    // Whoever else consumes it is served at once.
    expect(await bystander.channel.basicGet(queue, { noAck: true })).not.toBeNull();
    expect(await bystander.count(queue)).toBe(messages - most - 1);
    const before = handled();
    release();
    await eventually(() => expect(handled()).toBeGreaterThan(before));
    await eventually(async () => expect(await bystander.count(queue)).toBe(messages - 1 - most - handled() + before));
  }

  const cases: [string, number, Partial<ConsumeOptions>][] = [
    ['prefetch', 7, { prefetch: 7 }],
    ['prefetch, with fewer at a time', 7, { prefetch: 7, concurrency: 2 }],
    ['prefetch, with all of one key', 7, { prefetch: 7, ordered: { by: { header: 'customer' } } }],
    ['size of its batch', 12, { prefetch: 7, batch: { size: 12 } }],
  ];
  test.each(cases)('a handler of @Consume holds its %s (%i), whatever waits', async (_title, most, options) => {
    const queue = broker.unique('pressure');
    const releases: (() => void)[] = [];
    let handled = 0;
    @Injectable()
    class Orders {
      @Consume({ queue, ...options })
      async onOrder(orders: unknown): Promise<void> {
        await new Promise<void>((resolve) => releases.push(resolve));
        handled += Array.isArray(orders) ? orders.length : 1;
      }
    }
    await startApplication({ url: broker.url, defaults: { drainTimeout: 100 } }, { providers: [Orders] });
    await expectHeld(
      queue,
      most,
      () => releases.shift()?.(),
      () => handled,
    );
    const atOnce = options.concurrency ?? (options.ordered || options.batch ? 1 : most);
    expect(releases).toHaveLength(atOnce);
    // The end gives back what is held.
    releases.splice(0).forEach((release) => release());
  });

  test('AmqpServer too', async () => {
    const queue = broker.unique('pressure');
    const releases: (() => void)[] = [];
    let handled = 0;
    @Controller()
    class Orders {
      @EventPattern('order')
      async onOrder(): Promise<void> {
        await new Promise<void>((resolve) => releases.push(resolve));
        handled += 1;
      }
    }
    await bench.serve([Orders], { queue, prefetch: 9, drainTimeout: 100 });
    await expectHeld(
      queue,
      9,
      () => releases.shift()?.(),
      () => handled,
    );
  });
});
