/**
 * RabbitMQ answers basic.consume and basic.cancel from the queue's process: the reply to what was sent right behind them
 * may come first. Everything else on a channel is answered in order.
 */
import { describeOnBroker } from '../../support/brokers.js';
import { until } from '../../support/waiting.js';
import { Standards } from './support.js';
import type { Channel } from 'leveret/amqp';

describeOnBroker('a call right behind a consume or a cancel, on the same channel', (broker) => {
  const standards = new Standards();

  const calls: [string, (channel: Channel, queue: string) => Promise<unknown>][] = [
    ['a declare', (channel) => channel.queueDeclare('', { exclusive: true })],
    ['a bind', (channel, queue) => channel.queueBind(queue, 'amq.fanout')],
    ['a get', (channel, queue) => channel.basicGet(queue)],
    [
      'another consume with another prefetch',
      (channel, q) => channel.basicConsume(q, () => undefined, { prefetch: 7 }),
    ],
  ];

  test.each(calls)('%s is answered, whichever answer comes first', async (_name, call) => {
    const witness = await standards.connect(broker.url);
    const channel = await witness.connection.openChannel();
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    for (let round = 0; round < 5; round++) {
      const [consumer] = await Promise.all([channel.basicConsume(queue, () => undefined), call(channel, queue)]);
      await Promise.all([consumer.cancel(), call(channel, queue)]);
    }
    expect(witness.events).toEqual([]);
  });

  test('two consumers with different prefetches on one channel come back', async () => {
    const proxy = await standards.proxy(broker.url);
    const witness = await standards.connect(proxy.url);
    const channel = await witness.connection.openChannel();
    for (const prefetch of [3, 5]) {
      const { queue } = await channel.queueDeclare('', { exclusive: true });
      await channel.basicConsume(queue, () => undefined, { prefetch });
    }
    const { restored } = await witness.recoveredAfter(() => proxy.cut());
    expect(restored.consumers).toBe(2);
    await until('it stays', () => witness.connection.isOpen);
    witness.expectOutages(1);
  });
});
