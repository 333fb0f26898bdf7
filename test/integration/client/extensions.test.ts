/** What RabbitMQ adds to AMQP by arguments and names of its own: streams, consumer priorities, direct reply-to. */
import { connect, type Channel, type Connection } from 'leveret/amqp';
import { describeOnBroker, describeOnRabbitmq } from '../../support/brokers.js';
import { until } from '../../support/waiting.js';

describeOnBroker('extensions of RabbitMQ', (broker) => {
  let connection: Connection;
  let channel: Channel;

  beforeEach(async () => {
    connection = await connect(broker.url);
    channel = await connection.openChannel({ confirm: true });
  });

  afterEach(async () => {
    await connection.close();
  });

  test('of two consumers the one with the higher priority is served while it has room', async () => {
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    const served: string[] = [];
    await channel.basicConsume(queue, () => served.push('low'), { prefetch: 10, arguments: { 'x-priority': 1 } });
    await channel.basicConsume(queue, () => served.push('high'), { prefetch: 2, arguments: { 'x-priority': 2 } });
    for (const body of ['one', 'two', 'three']) {
      await channel.publish('', queue, body);
    }
    await until('all are delivered', () => served.length === 3);
    expect(served).toEqual(['high', 'high', 'low']);
  });

  test('a request by direct reply-to is answered, without a queue for replies', async () => {
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    const server = await connection.openChannel();
    await server.basicConsume(queue, (request) => {
      const { replyTo = '', correlationId } = request.properties;
      server.basicPublish('', replyTo, `${request.text()} yourself`, { correlationId });
      request.ack();
    });
    const replies: string[] = [];
    await channel.basicConsume(
      'amq.rabbitmq.reply-to',
      (reply) => replies.push(`${String(reply.properties.correlationId)}: ${reply.text()}`),
      { noAck: true },
    );
    await channel.publish('', queue, 'hello', { replyTo: 'amq.rabbitmq.reply-to', correlationId: '7' });
    await until('the reply is there', () => replies.length > 0);
    expect(replies).toEqual(['7: hello yourself']);
  });
});

describeOnRabbitmq('a stream', (broker) => {
  test('is read from the offset that is asked for, any number of times', async () => {
    const connection = await connect(broker.url);
    const channel = await connection.openChannel({ confirm: true });
    const queue = broker.unique('stream');
    await channel.queueDeclare(queue, { arguments: { 'x-queue-type': 'stream' } });
    await Promise.all(['0', '1', '2', '3', '4'].map((body) => channel.publish('', queue, body)));

    const read = async (offset: string | number): Promise<string[]> => {
      const bodies: string[] = [];
      const consumer = await channel.basicConsume<unknown, { 'x-stream-offset': number }>(
        queue,
        (delivery) => {
          bodies.push(delivery.text());
          expect(delivery.headers['x-stream-offset']).toBe(Number(delivery.text()));
          delivery.ack();
        },
        { prefetch: 10, arguments: { 'x-stream-offset': offset } },
      );
      await until('the last message is read', () => bodies.at(-1) === '4');
      await consumer.cancel();
      return bodies;
    };
    expect(await read('first')).toEqual(['0', '1', '2', '3', '4']);
    expect(await read(3)).toEqual(['3', '4']);
    expect(await read('first')).toHaveLength(5);
    await channel.queueDelete(queue);
    await connection.close();
  });
});
