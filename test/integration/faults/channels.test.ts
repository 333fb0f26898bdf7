/** What happens to one channel, and not to its neighbours. */
import type { Delivery } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { directions } from '../../support/tcp-proxy.js';
import { until } from '../../support/waiting.js';
import { Standards } from './support.js';

describeOnBroker('channels', (broker) => {
  const standards = new Standards();

  test('scenario 23: the same tag on two channels, and two prefetches on one: both are restored', async () => {
    const proxy = await standards.proxy(broker.url);
    const witness = await standards.connect(proxy.url);
    const [one, two] = [
      await witness.connection.openChannel(),
      await witness.connection.openChannel({ confirm: true }),
    ];
    const held = new Map<string, Delivery[]>();
    const hold = (name: string) => (delivery: Delivery) => {
      held.set(name, [...(held.get(name) ?? []), delivery]);
    };
    const names = ['a', 'b', 'c'];
    const queues = await Promise.all(names.map(async () => (await two.queueDeclare('', { exclusive: true })).queue));
    const consumers = [
      await one.basicConsume(queues[0] ?? '', hold('a'), { consumerTag: 'same', prefetch: 2 }),
      await one.basicConsume(queues[1] ?? '', hold('b'), { consumerTag: 'other', prefetch: 5 }),
      await two.basicConsume(queues[2] ?? '', hold('c'), { consumerTag: 'same', prefetch: 3 }),
    ];
    const { restored } = await witness.recoveredAfter(() => {
      proxy.cut();
    });
    expect(restored.consumers).toBe(3);
    held.clear();
    for (const { queue } of consumers) {
      await Promise.all(Array.from({ length: 8 }, (_none, index) => two.publish('', queue, String(index))));
    }
    const counts = (): number[] => names.map((name) => held.get(name)?.length ?? 0);
    await until('each prefetch is used up', () => counts().join() === '2,5,3');
    // What was published was confirmed behind them: nothing more is on its way.
    await two.queueDeclare('', { exclusive: true });
    expect(counts()).toEqual([2, 5, 3]);
    expect(held.get('a')?.[0]?.consumerTag).toBe('same');
    expect(held.get('c')?.[0]?.consumerTag).toBe('same');
    witness.expectOutages(1);
  });

  test('scenario 21: the last consumer of an auto-delete queue cancelled at each step of the recovery: the queue is gone', async () => {
    const proxy = await standards.proxy(broker.url);
    for (const direction of directions) {
      for (let occurrence = 1; occurrence <= 12; occurrence++) {
        const witness = await standards.connect(proxy.url);
        const { connection } = witness;
        const channel = await connection.openChannel();
        const queue = broker.unique('auto-delete');
        await channel.queueDeclare(queue, { autoDelete: true });
        const consumer = await channel.basicConsume(queue, () => undefined);
        let cancelled: Promise<void> | undefined;
        const act = (): void => {
          cancelled = consumer.cancel();
        };
        proxy.behave = () => ({ atFrame: { direction, occurrence, act } });
        const { attempts } = await witness.recoveredAfter(() => {
          proxy.cut();
        });
        proxy.behave = () => undefined;
        // A recovery has fewer frames than that in one of the directions.
        await (cancelled ?? consumer.cancel());
        const step = `${direction} ${String(occurrence)}`;
        expect({ step, attempts }).toEqual({ step, attempts: 1 });
        await until(`the queue is gone, cancelled at ${step}`, async () => !(await channel.queueExists(queue)));
        expect(connection.topology.queues).toEqual([]);
        expect(connection.broken).toEqual([]);
        await connection.close();
      }
    }
  }, 30_000);

  test('scenario 21: the last consumer cancelled while its channel is lost and another declares the queue: the queue is gone', async () => {
    const witness = await standards.connect(broker.url);
    const { connection } = witness;
    const neighbour = await connection.openChannel();
    // The cancel comes before, between and after the steps that restore the channel.
    for (let turns = 0; turns < 6; turns++) {
      const channel = await connection.openChannel();
      const queue = broker.unique('auto-delete');
      await channel.queueDeclare(queue, { autoDelete: true });
      const consumer = await channel.basicConsume(queue, () => undefined);
      const refused = channel.queueBind(queue, broker.unique('missing'), 'key').catch((error: unknown) => error);
      const declared = neighbour.queueDeclare(queue, { autoDelete: true });
      expect(await refused).toMatchObject({ replyCode: 404 });
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      await consumer.cancel();
      await declared;
      const step = `cancelled after ${String(turns)} turns`;
      await until(`the queue is gone, ${step}`, async () => !(await neighbour.queueExists(queue)));
      expect(connection.topology.queues).toEqual([]);
      expect(connection.broken).toEqual([]);
      await channel.close();
    }
  });

  test('scenario 25: a bad ack with three consumers on the channel: only that channel restarts, and all three are back', async () => {
    const proxy = await standards.proxy(broker.url);
    const witness = await standards.connect(proxy.url);
    const { connection } = witness;
    const channel = await connection.openChannel();
    const neighbour = await connection.openChannel({ confirm: true });
    const events: string[] = [];
    channel.on('lost', ({ cause }) => events.push(`lost ${String(cause.replyCode)}`));
    channel.on('recovered', ({ consumers }) => events.push(`recovered ${String(consumers)}`));
    neighbour.on('lost', () => events.push('the neighbour was lost'));
    const seen: { queue: string; redelivered: boolean }[] = [];
    const queues = await Promise.all(
      [1, 2, 3].map(async () => (await neighbour.queueDeclare('', { exclusive: true })).queue),
    );
    for (const queue of queues) {
      await channel.basicConsume(queue, ({ redelivered }) => seen.push({ queue, redelivered }));
    }
    const { queue: theirs } = await neighbour.queueDeclare('', { exclusive: true });
    let unsettled: Delivery | undefined;
    await neighbour.basicConsume(theirs, (delivery) => (unsettled = delivery));
    for (const queue of [...queues, theirs]) await neighbour.publish('', queue, 'x');
    await until('all are delivered', () => seen.length === 3 && unsettled !== undefined);
    proxy.sayInItsName(channel.number ?? 0, 'basic.ack', { deliveryTag: 1_000 });
    await until('the channel is back', () => events.length === 2);
    expect(events).toEqual(['lost 406', 'recovered 3']);
    await until('the unsettled ones come again', () => seen.length === 6);
    expect(seen.slice(3).every(({ redelivered }) => redelivered)).toBe(true);
    expect(unsettled?.ack()).toBe('sent');
    expect(connection.epoch).toBe(1);
    witness.expectOutages(0);
  });
});
