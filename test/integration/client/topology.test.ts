/** Exchanges, queues and bindings, and what happens when the broker says no. */
import { ArgumentError, ChannelClosedByBrokerError, connect, type Channel, type Connection } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { rejection, until } from '../../support/waiting.js';

describeOnBroker('topology', (broker) => {
  let connection: Connection;
  let channel: Channel;

  beforeEach(async () => {
    connection = await connect(broker.url);
    channel = await connection.openChannel({ confirm: true });
  });

  afterEach(async () => {
    await connection.close();
  });

  test('declares, binds, counts, purges and deletes', async () => {
    const exchange = broker.unique('topology');
    const queue = broker.unique('topology');
    await channel.exchangeDeclare(exchange, 'topic');
    expect(await channel.queueDeclare(queue)).toEqual({ queue, messageCount: 0, consumerCount: 0 });
    await channel.queueBind(queue, exchange, 'order.*');
    await channel.publish(exchange, 'order.created', 'one');
    await channel.publish(exchange, 'invoice.created', 'none');
    expect(await channel.queueDeclare(queue, { passive: true })).toMatchObject({ messageCount: 1 });
    expect(await channel.queuePurge(queue)).toBe(1);
    await channel.queueUnbind(queue, exchange, 'order.*');
    await channel.publish(exchange, 'order.created', 'none');
    expect(await channel.queueDelete(queue)).toBe(0);
    await channel.exchangeDelete(exchange);
    expect(await channel.queueExists(queue)).toBe(false);
    expect(await channel.exchangeExists(exchange)).toBe(false);
    expect(connection.topology.queues).toEqual([]);
    expect(connection.topology.exchanges).toEqual([]);
    expect(connection.topology.bindings).toEqual([]);
  });

  test('exchanges may be bound to exchanges', async () => {
    const [source, destination] = [broker.unique('source'), broker.unique('destination')];
    await channel.exchangeDeclare(source, 'fanout');
    await channel.exchangeDeclare(destination, 'fanout');
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    await channel.exchangeBind(destination, source);
    await channel.queueBind(queue, destination);
    await channel.publish(source, '', 'through both');
    expect((await channel.basicGet(queue, { noAck: true }))?.body.toString()).toBe('through both');
    await channel.exchangeUnbind(destination, source);
    await channel.publish(source, '', 'nowhere');
    expect(await channel.basicGet(queue)).toBeNull();
    await channel.exchangeDelete(source);
    await channel.exchangeDelete(destination);
  });

  test('queueExists and exchangeExists answer, and cost no channel', async () => {
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    const { number } = channel;
    expect(await channel.queueExists(queue)).toBe(true);
    expect(await channel.queueExists(broker.unique('missing'))).toBe(false);
    expect(await channel.exchangeExists('amq.topic')).toBe(true);
    expect(await channel.exchangeExists(broker.unique('missing'))).toBe(false);
    expect(channel.number).toBe(number);
  });

  test('a declare that differs is a 406 that names the entity; the channel is open again right after', async () => {
    const queue = broker.unique('differs');
    await channel.queueDeclare(queue, { autoDelete: false });
    const other = await connection.openChannel();
    const error = await rejection(channel.queueDeclare(queue, { autoDelete: true }));
    expect(error).toBeInstanceOf(ChannelClosedByBrokerError);
    expect(error).toMatchObject({ replyCode: 406, classId: 50, methodId: 10 });
    expect(error.message).toContain(queue);
    expect(error.message).toContain("inequivalent arg 'auto_delete'");
    expect(other.isOpen).toBe(true);
    expect(await channel.queueDelete(queue)).toBe(0);
  });

  test('what waits behind a refused method is told of it too, and what comes later works', async () => {
    const missing = broker.unique('missing');
    const results = await Promise.allSettled([
      channel.queueDeclare('', { exclusive: true }),
      channel.queuePurge(missing),
      channel.queueDeclare('', { exclusive: true }),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(results[1]).toMatchObject({ reason: { replyCode: 404 } });
    await channel.queueDeclare('', { exclusive: true });
  });

  test('arguments of every kind reach the broker, and wrong ones never do', async () => {
    const { number } = channel;
    await channel.queueDeclare('', { exclusive: true, arguments: { 'x-message-ttl': 60_000, 'x-max-length': 5n } });
    const wrong: (() => Promise<unknown>)[] = [
      () => channel.queueDeclare('q'.repeat(256)),
      () => channel.queueDeclare('ü'.repeat(200)),
      // @ts-expect-error what JavaScript users may pass
      () => channel.queueDeclare(5),
      // @ts-expect-error what JavaScript users may pass
      () => channel.queueDeclare('q', { exclusiv: true }),
      // @ts-expect-error what JavaScript users may pass
      () => channel.queueDeclare('q', { durable: 'yes' }),
      // @ts-expect-error what JavaScript users may pass
      () => channel.queueDeclare('q', { arguments: { 'x-wrong': { deep: [1, () => 1] } } }),
      () => channel.basicQos(-1),
      () => channel.basicQos(70_000),
      // @ts-expect-error what JavaScript users may pass
      () => channel.exchangeDeclare('name'),
      // @ts-expect-error what JavaScript users may pass
      () => channel.basicConsume('q', 'no function'),
      () => channel.basicGet('q', { noAck: 1 as unknown as boolean }),
    ];
    for (const call of wrong) expect(await rejection(call())).toBeInstanceOf(ArgumentError);
    expect((await rejection((wrong[5] as () => Promise<unknown>)())).message).toContain('arguments.x-wrong.deep[1]');
    expect(channel.number).toBe(number);
    await channel.queueDeclare('', { exclusive: true });
  });

  test('an exclusive queue of another connection is 405', async () => {
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    const other = await connect(broker.url);
    const foreign = await other.openChannel();
    expect(await rejection(foreign.queueDeclare(queue, { passive: true }))).toMatchObject({ replyCode: 405 });
    await other.close();
  });

  test('an auto-delete queue goes with its last consumer', async () => {
    const queue = broker.unique('auto-delete');
    await channel.queueDeclare(queue, { autoDelete: true });
    const consumer = await channel.basicConsume(queue, () => undefined);
    await consumer.cancel();
    await until('the queue is gone', async () => !(await channel.queueExists(queue)));
  });
});
