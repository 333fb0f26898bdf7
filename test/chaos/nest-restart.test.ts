/** What waits on the broker outlives it: a node is killed in the midst of retries and delays, and started again. */
import { Injectable } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import { Ack, AmqpContext, Consume, InjectPublisher, Publisher } from 'leveret';
import {
  ownVersion,
  startControlledNode,
  whyNoControlledNode,
  type ControlledNode,
} from '../support/controlled-node.js';
import { closeApplications, eventually, pause, startApplication } from '../support/nest-app.js';

const version = process.env['LEVERET_CHAOS_VERSION'] ?? ownVersion;
const reason = whyNoControlledNode(version);
const limit = 180_000;
const count = 200;

describe(`retries and delays over the death of RabbitMQ ${version}`, () => {
  if (reason !== undefined) {
    test.skip(`needs a node that it may kill: ${reason}`, () => undefined);
    return;
  }
  let node: ControlledNode;

  beforeAll(async () => {
    node = await startControlledNode(version);
  }, limit);

  afterAll(async () => {
    await closeApplications();
    await node.dispose();
  }, limit);

  /** A shop whose handler fails twice for each order, and which notes what it did. */
  async function startShop(queueType: 'classic' | 'quorum') {
    const failures = new Map<number, number>();
    const done = new Map<number, number>();
    let attempts = 0;
    @Injectable()
    class Orders {
      constructor(@InjectPublisher({ exchange: 'shop' }) readonly publisher: Publisher) {}
      @Consume({
        queue: `orders.${queueType}`,
        queueType,
        exchange: 'shop',
        routingKey: `${queueType}.*`,
        prefetch: 50,
      })
      @Ack({ retry: { attempts: 100, delay: 1_500 } })
      onOrder({ id }: { id: number }, @Ctx() context: AmqpContext): void {
        const failed = failures.get(id) ?? 0;
        failures.set(id, failed + 1);
        if (failed < 2) throw new Error('not yet');
        done.set(id, (done.get(id) ?? 0) + 1);
        attempts = Math.max(attempts, context.attempts);
      }
    }
    const { app } = await startApplication(
      { url: node.url, recovery: { initialDelay: 100, maxDelay: 1_000 }, exchanges: [{ name: 'shop', type: 'topic' }] },
      { providers: [Orders] },
    );
    return { publisher: app.get(Orders).publisher, failures, done, attempts: () => attempts };
  }

  describe.each(['classic', 'quorum'] as const)('to a %s queue', (queueType) => {
    afterEach(closeApplications);

    test(
      'a message that waits for its retry comes back after kill -9',
      async () => {
        const { publisher, failures, done, attempts } = await startShop(queueType);
        const publish = (id: number): Promise<void> =>
          publisher.publish(`${queueType}.created`, { id }, { mandatory: true });
        await Promise.all(Array.from({ length: count }, (_, id) => publish(id)));
        await eventually(() => expect(failures.size).toBe(count), 20_000);
        // All of them wait, some of them for the second time. Their time is up before the broker is there again.
        await pause(1_000);
        expect(done.size).toBeLessThan(count);
        await node.kill();
        await pause(2_000);
        await node.start();
        await eventually(() => expect(done.size).toBe(count), 60_000);
        expect(attempts()).toBeGreaterThanOrEqual(3);
      },
      limit,
    );

    test(
      'a delayed message comes after application and broker were away',
      async () => {
        const first = await startShop(queueType);
        const start = Date.now();
        const ids = Array.from({ length: 20 }, (_, index) => 1_000 + index);
        const publish = (id: number, index: number): Promise<void> =>
          first.publisher.publish(`${queueType}.created`, { id }, { delay: index % 2 === 0 ? 1_500 : 16_000 });
        await Promise.all(ids.map(publish));
        await closeApplications();
        await node.stop();
        // The first half falls due while nobody is there.
        await pause(2_000);
        await node.start();
        const second = await startShop(queueType);
        await eventually(() => expect(second.failures.size).toBe(20), 60_000);
        expect(Date.now() - start).toBeGreaterThanOrEqual(16_000);
        await eventually(() => expect([...second.done.keys()].sort()).toEqual(ids), 30_000);
      },
      limit,
    );
  });
});
