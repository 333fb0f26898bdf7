/** Another client cannot tell: what users of rabbitmq-client do, on RabbitMQ and on the embedded broker alike. */
import { Connection, ConsumerStatus, type AsyncMessage, type ReturnedMessage } from 'rabbitmq-client';
import { once } from 'node:events';
import { describeOnBrokers } from '../../support/brokers.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { pause, rejection, until } from '../../support/waiting.js';
import { headersOfEveryKind } from './headers-of-every-kind.js';

describeOnBrokers('rabbitmq-client', (broker) => {
  let connection: Connection;

  beforeEach(async () => {
    connection = await open();
  });

  afterEach(async () => {
    await connection.close();
  });

  async function open(url = broker.url): Promise<Connection> {
    const opened = new Connection({ url, retryLow: 20, retryHigh: 50, connectionName: 'rabbitmq-client' });
    opened.on('error', () => undefined);
    await opened.onConnect(5000);
    return opened;
  }

  async function exclusiveQueue(name: string, table: object = {}): Promise<string> {
    const { queue } = await connection.queueDeclare({
      queue: broker.unique(name),
      exclusive: true,
      arguments: { ...table },
    });
    return queue;
  }

  const headersFor = (color: string): object => ({ 'x-match': 'all', color });

  test.each([
    ['direct', { routingKey: 'red' }, { routingKey: 'red' }, { routingKey: 'blue' }],
    ['topic', { routingKey: '*.red.#' }, { routingKey: 'a.red.b.c' }, { routingKey: 'red' }],
    ['fanout', {}, { routingKey: 'whatever' }, undefined],
    ['headers', { arguments: headersFor('red') }, { headers: { color: 'red' } }, { headers: { color: 'blue' } }],
  ])('routes by a %s exchange', async (type, binding, taken, left) => {
    const exchange = broker.unique(type);
    const queue = await exclusiveQueue('routed');
    await connection.exchangeDeclare({ exchange, type, autoDelete: true });
    await connection.queueBind({ queue, exchange, ...binding });
    const publisher = connection.createPublisher({ confirm: true });
    const returned: unknown[] = [];
    publisher.on('basic.return', (message: ReturnedMessage) => returned.push(message.body));
    await publisher.send({ exchange, mandatory: true, ...taken }, 'taken');
    if (left) await publisher.send({ exchange, mandatory: true, ...left }, 'left');
    expect((await connection.basicGet({ queue, noAck: true }))?.body).toBe('taken');
    expect(await connection.basicGet({ queue, noAck: true })).toBeUndefined();
    expect(returned).toEqual(left ? ['left'] : []);
    await publisher.close();
  });

  test('routes from one exchange to another', async () => {
    const [source, destination] = [broker.unique('source'), broker.unique('destination')];
    const queue = await exclusiveQueue('bound');
    for (const exchange of [source, destination]) {
      await connection.exchangeDeclare({ exchange, type: 'fanout', autoDelete: true });
    }
    await connection.exchangeBind({ source, destination });
    await connection.queueBind({ queue, exchange: destination });
    const publisher = connection.createPublisher({ confirm: true });
    await publisher.send({ exchange: source }, 'x');
    expect((await connection.basicGet({ queue, noAck: true }))?.body).toBe('x');
    await connection.exchangeUnbind({ source, destination });
    await publisher.close();
  });

  test('carries every property and kind of header, and a body of several frames', async () => {
    const queue = await exclusiveQueue('properties');
    const properties = {
      contentType: 'application/octet-stream',
      contentEncoding: 'identity',
      headers: headersOfEveryKind,
      durable: true,
      priority: 3,
      correlationId: 'c',
      replyTo: 'r',
      expiration: '60000',
      messageId: 'm',
      timestamp: 1_700_000_000,
      type: 't',
      userId: 'guest',
      appId: 'a',
    };
    const body = Buffer.alloc(600_000, 'leveret');
    const publisher = connection.createPublisher({ confirm: true });
    await publisher.send({ routingKey: queue, ...properties }, body);
    const message = await connection.basicGet({ queue, noAck: true });
    expect(message).toMatchObject({ ...properties, routingKey: queue, exchange: '', redelivered: false });
    expect(body.equals(message?.body as Buffer)).toBe(true);
    await publisher.close();
  });

  test('returns what no queue takes, and refuses what a full queue rejects', async () => {
    const queue = await exclusiveQueue('full', { 'x-max-length': 1, 'x-overflow': 'reject-publish' });
    const publisher = connection.createPublisher({ confirm: true, maxAttempts: 1 });
    const returned = once(publisher, 'basic.return') as Promise<[ReturnedMessage]>;
    await publisher.send({ routingKey: broker.unique('nobody'), mandatory: true }, 'x');
    expect((await returned)[0]).toMatchObject({ replyCode: 312, replyText: 'NO_ROUTE', body: 'x' });
    await publisher.send(queue, '1');
    await expect(publisher.send(queue, '2')).rejects.toMatchObject({ name: 'AMQPError', code: 'NACK' });
    await publisher.close();
  });

  test('hands out no more than the prefetch, and settles by what the handler says', async () => {
    const dead = await exclusiveQueue('dead');
    const source = broker.unique('source');
    const queueOptions = {
      queue: source,
      exclusive: true,
      arguments: { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': dead },
    };
    await connection.queueDeclare(queueOptions);
    const publisher = connection.createPublisher({ confirm: true });
    for (const text of ['requeue', 'drop', 'ack', 'ack', 'ack']) await publisher.send(source, text);
    const seen: string[] = [];
    let running = 0;
    let most = 0;
    const consumer = connection.createConsumer(
      { queue: source, queueOptions, qos: { prefetchCount: 2 } },
      async (message: AsyncMessage) => {
        most = Math.max(most, (running += 1));
        await pause(10);
        running -= 1;
        const text = String(message.body);
        seen.push(`${text}${message.redelivered ? ' again' : ''}`);
        if (text === 'requeue' && !message.redelivered) return ConsumerStatus.REQUEUE;
        return text === 'drop' ? ConsumerStatus.DROP : ConsumerStatus.ACK;
      },
    );
    await until('all are handled', () => seen.length === 6);
    await consumer.close();
    expect(most).toBe(2);
    expect(seen.toSorted()).toEqual(['ack', 'ack', 'ack', 'drop', 'requeue', 'requeue again']);
    expect(consumer.stats).toMatchObject({ acknowledged: 4, dropped: 1, requeued: 1 });
    expect(await connection.basicGet({ queue: dead, noAck: true })).toMatchObject({
      body: 'drop',
      headers: { 'x-death': [{ queue: source, reason: 'rejected', count: 1 }] },
    });
    expect(await connection.queueDeclare({ queue: source, passive: true })).toMatchObject({ messageCount: 0 });
    expect(await connection.queueDelete(source)).toMatchObject({ messageCount: 0 });
    await publisher.close();
  });

  test('settles many at once, and by a channel of its own', async () => {
    const queue = await exclusiveQueue('multiple');
    const channel = await connection.acquire();
    await channel.confirmSelect();
    for (const text of ['1', '2', '3']) await channel.basicPublish(queue, text);
    const first = await channel.basicGet(queue);
    const second = await channel.basicGet(queue);
    expect([first?.body, second?.body, second?.messageCount]).toEqual(['1', '2', 1]);
    channel.basicAck({ deliveryTag: second?.deliveryTag ?? 0, multiple: true });
    const third = await channel.basicGet(queue);
    channel.basicNack({ deliveryTag: third?.deliveryTag ?? 0, requeue: true });
    expect(await channel.basicGet(queue)).toMatchObject({ body: '3', redelivered: true });
    await channel.close();
    expect(await connection.queuePurge(queue)).toMatchObject({ messageCount: 1 });
  });

  test('commits and rolls back', async () => {
    const queue = await exclusiveQueue('tx');
    const channel = await connection.acquire();
    await channel.txSelect();
    await channel.basicPublish(queue, 'gone');
    await channel.txRollback();
    await channel.basicPublish(queue, 'kept');
    await channel.txCommit();
    expect((await channel.basicGet(queue))?.body).toBe('kept');
    expect(await channel.basicGet(queue)).toBeUndefined();
    await channel.close();
  });

  test('answers requests by direct reply-to', async () => {
    const queue = broker.unique('rpc');
    const server = connection.createConsumer(
      { queue, queueOptions: { queue, exclusive: true } },
      async (request, reply) => {
        await reply({ doubled: (request.body as { value: number }).value * 2 });
      },
    );
    await once(server, 'ready');
    const client = connection.createRPCClient({ confirm: true });
    const replies = await Promise.all([1, 2, 3].map((value) => client.send(queue, { value })));
    expect(replies.map(({ body }) => body as unknown)).toEqual([{ doubled: 2 }, { doubled: 4 }, { doubled: 6 }]);
    await client.close();
    await server.close();
  });

  test.each([
    ['NOT_FOUND', () => connection.queueDeclare({ queue: broker.unique('absent'), passive: true })],
    ['NOT_FOUND', () => connection.queueBind({ queue: broker.unique('absent'), exchange: 'amq.topic' })],
    ['PRECONDITION_FAILED', () => connection.exchangeDeclare({ exchange: 'amq.topic', type: 'fanout', durable: true })],
    ['ACCESS_REFUSED', () => connection.queueDeclare({ queue: 'amq.reserved' })],
    ['ACCESS_REFUSED', () => connection.exchangeDelete({ exchange: 'amq.direct' })],
  ])('an error is a channel error with its code: %s', async (code, call) => {
    const error = await rejection(call());
    expect(error).toMatchObject({ name: 'AMQPChannelError', code });
    expect(error.message).toContain(code);
    // The connection goes on.
    await exclusiveQueue('after');
  });

  test('a wrong password is an error of the connection', async () => {
    const url = new URL(broker.url);
    url.password = 'wrong';
    const refused = new Connection({ url: url.href, retryLow: 5000 });
    const [error] = (await once(refused, 'error')) as [Error];
    expect(error).toMatchObject({ name: 'AMQPConnectionError', code: 'ACCESS_REFUSED' });
    await refused.close();
  });

  test('is told when the queue of a consumer is deleted', async () => {
    const channel = await connection.acquire();
    const queue = await exclusiveQueue('deleted');
    await channel.basicConsume({ queue, consumerTag: 'gone' }, () => undefined);
    const cancelled = once(channel, 'basic.cancel') as Promise<[string]>;
    await connection.queueDelete(queue);
    expect((await cancelled)[0]).toBe('gone');
    await channel.close();
  });

  test('recovers consumers and publishers after a cut', async () => {
    const proxy = await TcpProxy.start(broker.url);
    const client = await open(proxy.url);
    const queue = broker.unique('recovered');
    const received: unknown[] = [];
    const consumer = client.createConsumer(
      { queue, queueOptions: { queue, arguments: { 'x-expires': 60_000 } } },
      (message) => void received.push(message.body),
    );
    const publisher = client.createPublisher({ confirm: true, maxAttempts: 3 });
    await once(consumer, 'ready');
    await publisher.send(queue, 'before');
    await until('the first is there', () => received.length === 1);
    const again = once(consumer, 'ready');
    expect(proxy.cut()).toBe(1);
    await again;
    await publisher.send(queue, 'after');
    await until('the second is there', () => received.length === 2);
    expect(received).toEqual(['before', 'after']);
    await publisher.close();
    await consumer.close();
    await client.queueDelete(queue);
    await client.close();
    await proxy.stop();
  });
});
