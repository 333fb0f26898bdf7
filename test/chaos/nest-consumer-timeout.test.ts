/**
 * Handlers that hold their messages for longer than the broker allows (consumer_timeout): with the module's `consumerTimeout`
 * the broker never closes a channel over it. On a node of its own, whose limit is short.
 */
import { Injectable } from '@nestjs/common';
import { Ack, Consume, type AmqpModuleOptions } from 'leveret';
import { ownVersion, startControlledNode, type ControlledNode } from '../support/controlled-node.js';
import { Bystander, closeApplications, eventually, pause, startApplication } from '../support/nest-app.js';

const version = process.env['LEVERET_CHAOS_VERSION'] ?? ownVersion;
const consumerTimeout = 4_000;
const limit = 90_000;

describe(`consumer time-out of handlers on RabbitMQ ${version}`, () => {
  let node: ControlledNode;
  const bystander = new Bystander();

  beforeAll(async () => {
    node = await startControlledNode(version, `consumer_timeout = ${String(consumerTimeout)}\n`);
    // How often a channel looks, in milliseconds; a minute otherwise.
    await node.control('eval', 'application:set_env(rabbit, channel_tick_interval, 200).');
    await bystander.open(node.url);
  }, limit);

  afterAll(async () => {
    await bystander.close();
    await node.dispose();
  }, limit);

  afterEach(closeApplications, limit);

  async function start(queue: string, options: Partial<AmqpModuleOptions>, handle: (order: number) => Promise<void>) {
    const begun: number[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, queueType: 'quorum', concurrency: 1, prefetch: 20 })
      @Ack({ retry: 0 })
      async onOrder(order: number): Promise<void> {
        begun.push(order);
        await handle(order);
      }
    }
    const { log } = await startApplication({ url: node.url, ...options }, { providers: [Orders] });
    /** What the broker did: it closed the channel, or cancelled the consumer. */
    const losses = (): string[] => log.texts('warn').filter((line) => /was closed|cancelled/.test(line));
    return { begun, losses };
  }

  test(
    'unknown to the module: the broker takes the messages away while they wait or are handled',
    async () => {
      const queue = 'unknown-timeout';
      const { losses } = await start(queue, { consumerTimeout: false }, () => pause(9_000));
      await bystander.send(queue, '1');
      await eventually(() => expect(losses().length).toBeGreaterThan(0), 20_000);
    },
    limit,
  );

  test(
    'known to it: slow handlers and a backlog that waits for them meet no time-out; one that hangs is parked before it',
    async () => {
      const queue = 'known-timeout';
      const { begun, losses } = await start(queue, { consumerTimeout }, (order) =>
        order === 0 ? new Promise(() => undefined) : pause(700),
      );
      for (let order = 0; order <= 12; order++) await bystander.send(queue, String(order));
      await eventually(() => expect(begun).toHaveLength(13), 40_000);
      await pause(1_500);
      expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
      expect(losses()).toEqual([]);
      const parked = await bystander.take(`${queue}.parked`);
      expect([parked.json(), parked.headers['x-leveret-error']]).toEqual([0, 'HandlerTimeoutError']);
      expect(await bystander.count(`${queue}.parked`)).toBe(0);
      expect(await bystander.count(queue)).toBe(0);
    },
    limit,
  );
});
