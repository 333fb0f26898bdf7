/** On the wire the order is that of the calls, whatever waits; and closing ends everything. */
import { connect, ConnectionClosedError, NackError, NotSentError, type Connection } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { rejection, until } from '../../support/waiting.js';

describeOnBroker('order and closing', (broker) => {
  let connection: Connection;
  let queue: string;

  beforeEach(async () => {
    connection = await connect(broker.url, { maxUnconfirmed: 30 });
    queue = broker.unique('order');
  });

  afterEach(async () => {
    await connection.close();
  });

  test('a method called behind publishes that wait for room does not overtake them', async () => {
    const channel = await connection.openChannel({ confirm: true });
    await channel.queueDeclare(queue, { exclusive: true });
    const published = Array.from({ length: 50 }, () => channel.publish('', queue, 'x'));
    const purged = channel.queuePurge(queue);
    await Promise.all(published);
    expect(await purged).toBe(50);
  });

  test('closing a channel does not overtake its publishes', async () => {
    const channel = await connection.openChannel({ confirm: true });
    const looker = await connection.openChannel();
    await looker.queueDeclare(queue, { exclusive: true });
    const published = Array.from({ length: 50 }, () => channel.publish('', queue, 'x'));
    await channel.close({ replyCode: 200, replyText: 'done' });
    expect(channel.isClosed).toBe(true);
    await Promise.all(published);
    expect((await looker.queueDeclare(queue, { exclusive: true })).messageCount).toBe(50);
  });

  test('closing the connection does not overtake them either; loops end, and calls that wait are told', async () => {
    const other = await connect(broker.url);
    const looker = await other.openChannel();
    await looker.queueDeclare(queue, { durable: true });
    const channel = await connection.openChannel({ confirm: true });
    const taken: string[] = [];
    const reading = (async () => {
      const consumer = await connection.openChannel();
      for await (const delivery of consumer.consume(queue, { prefetch: 1 })) taken.push(delivery.text());
      return 'ended';
    })();
    await channel.publish('', queue, 'first');
    await until('the loop has one', () => taken.length === 1);
    const published = Array.from({ length: 50 }, () => channel.publish('', queue, 'x'));
    const fireAndForget = channel.basicPublish('', queue, 'last');
    expect(fireAndForget).toBe(false);
    await connection.close({ replyCode: 320, replyText: 'off for the night' });
    await Promise.all(published);
    expect(await reading).toBe('ended');
    expect(taken).toEqual(['first']);
    await until(
      'the one it had not settled is back',
      async () => (await looker.queueDeclare(queue)).messageCount === 52,
    );
    expect(await rejection(channel.queuePurge(queue))).toBeInstanceOf(ConnectionClosedError);
    expect(await rejection(channel.publish('', queue, 'late'))).toBeInstanceOf(NotSentError);
    await looker.queueDelete(queue);
    await other.close();
  });

  test('waitForConfirms covers what was published until now, and tells the first refusal once', async () => {
    const channel = await connection.openChannel({ confirm: true });
    await channel.queueDeclare(queue, {
      exclusive: true,
      arguments: { 'x-max-length': 2, 'x-overflow': 'reject-publish' },
    });
    const refused: string[] = [];
    channel.on('notConfirmed', ({ cause }) => refused.push(cause.name));
    channel.basicPublish('', queue, '1');
    channel.basicPublish('', queue, '2');
    await channel.waitForConfirms();
    expect(channel.outstandingPublishes).toBe(0);
    channel.basicPublish('', queue, '3');
    channel.basicPublish('', queue, '4');
    expect(await rejection(channel.waitForConfirms())).toBeInstanceOf(NackError);
    expect(refused).toEqual(['NackError', 'NackError']);
    await channel.waitForConfirms();
  });

  test('await using closes what it holds', async () => {
    let held;
    {
      await using scoped = await connect(broker.url);
      await using channel = await scoped.openChannel();
      await channel.queueDeclare('', { exclusive: true });
      held = scoped;
    }
    expect(held.state).toBe('closed');
  });
});
