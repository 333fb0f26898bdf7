/** A delivery left unsettled for longer than the broker allows (consumer_timeout). On a node of its own, whose limit is short. */
import type { Delivery } from 'leveret/amqp';
import { Standards } from '../integration/faults/support.js';
import { ownVersion, startControlledNode, type ControlledNode } from '../support/controlled-node.js';
import { until } from '../support/waiting.js';

const version = process.env['LEVERET_CHAOS_VERSION'] ?? ownVersion;
const closesChannel = version === '3.10' || version === '4.0';
const limit = 90_000;

describe(`consumer time-out on RabbitMQ ${version}`, () => {
  let node: ControlledNode;

  beforeAll(async () => {
    node = await startControlledNode(version, 'consumer_timeout = 3000\n');
    // How often a channel looks, in milliseconds; a minute otherwise.
    await node.control('eval', 'application:set_env(rabbit, channel_tick_interval, 500).');
  }, limit);

  afterAll(async () => {
    await node.dispose();
  }, limit);

  const standards = new Standards();

  const types = closesChannel ? ['classic', 'quorum'] : ['quorum'];
  test.each(types)(
    'scenario 26: a consumer of a %s queue that does not settle in time: named, and all is back; the message comes again',
    async (type) => {
      const witness = await standards.connect(node.url);
      const { connection } = witness;
      const [channel, neighbour] = [await connection.openChannel({ prefetch: 1 }), await connection.openChannel()];
      const queue = `timeout-${type}`;
      await channel.queueDeclare(queue, { arguments: { 'x-queue-type': type } });
      const deliveries: Delivery[] = [];
      const consumer = await channel.basicConsume(queue, (delivery) => deliveries.push(delivery));
      const lost: string[] = [];
      const cancelled: unknown[] = [];
      neighbour.on('lost', ({ cause }) => lost.push(`neighbour ${cause.name}`));
      channel.on('lost', ({ cause }) => lost.push(cause.name));
      channel.on('consumerCancelled', ({ consumer: { consumerTag }, cause }) => {
        cancelled.push({ consumerTag, name: cause.name, message: cause.message });
      });
      const sender = await connection.openChannel({ confirm: true });
      await sender.publish('', queue, 'held');
      await until('it comes again', () => deliveries.length === 2, 30_000);
      const [first, second] = deliveries;
      expect(second?.redelivered).toBe(true);
      expect(second?.text()).toBe('held');
      if (closesChannel) {
        expect(lost).toEqual(['ConsumerTimeoutError']);
        expect(cancelled).toEqual([]);
        expect(first?.ack()).toBe('stale');
      } else {
        // RabbitMQ gives no reason; that the queue is there tells a time-out from a deletion.
        expect(lost).toEqual([]);
        const { consumerTag } = consumer;
        const message = expect.stringContaining('consumer_timeout') as string;
        expect(cancelled).toEqual([{ consumerTag, name: 'ConsumerCancelledError', message }]);
        // The broker heeds it no more.
        first?.ack();
      }
      expect(second?.ack()).toBe('sent');
      await sender.publish('', queue, 'next');
      await until('it goes on', () => deliveries.at(-1)?.text() === 'next');
      deliveries.at(-1)?.ack();
      witness.expectOutages(0);
      await until(
        'all is settled',
        async () => (await sender.queueDeclare(queue, { passive: true })).messageCount === 0,
      );
      await channel.queueDelete(queue);
    },
    limit,
  );
});
