/** Another client cannot tell: what users of @cloudamqp/amqp-client do, on RabbitMQ and on the embedded broker alike. */
import { AMQPClient, AMQPError, AMQPSession, type AMQPChannel, type AMQPMessage } from '@cloudamqp/amqp-client';
import { describeOnBrokers } from '../../support/brokers.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { pause, rejection, until } from '../../support/waiting.js';
import { headersOfEveryKind } from './headers-of-every-kind.js';

type Connection = Awaited<ReturnType<AMQPClient['connect']>>;

describeOnBrokers('@cloudamqp/amqp-client', (broker) => {
  let connection: Connection;
  let channel: AMQPChannel;

  beforeEach(async () => {
    connection = await open();
    channel = await connection.channel();
  });

  afterEach(async () => {
    if (!connection.closed) await connection.close();
  });

  async function open(parameters = '', from = broker.url): Promise<Connection> {
    const opened = await new AMQPClient(`${from}${parameters}`, undefined, null).connect();
    opened.onerror = () => undefined;
    return opened;
  }

  async function exclusiveQueue(name: string, table: object = {}): Promise<string> {
    return (await channel.queueDeclare(broker.unique(name), { exclusive: true }, table)).name;
  }

  const colored = (color: string): object => ({ headers: { color } });

  test.each([
    ['direct', 'red', {}, 'red', {}, 'blue', {}],
    ['topic', '*.red.#', {}, 'a.red.b.c', {}, 'red', {}],
    ['fanout', '', {}, 'whatever', {}, undefined, {}],
    ['headers', '', { 'x-match': 'any', color: 'red' }, '', colored('red'), '', colored('blue')],
  ] as const)('routes by a %s exchange', async (type, key, table, taken, takenProperties, left, leftProperties) => {
    const exchange = broker.unique(type);
    const queue = await exclusiveQueue('routed');
    await channel.exchangeDeclare(exchange, type, { autoDelete: true });
    await channel.queueBind(queue, exchange, key, table);
    await channel.confirmSelect();
    await channel.basicPublish(exchange, taken, 'taken', takenProperties);
    if (left !== undefined) await channel.basicPublish(exchange, left, 'left', leftProperties);
    expect((await channel.basicGet(queue))?.bodyString()).toBe('taken');
    expect(await channel.basicGet(queue)).toBeNull();
    await channel.queueUnbind(queue, exchange, key, table);
  });

  test('routes from one exchange to another, and past an internal one', async () => {
    const [source, destination] = [broker.unique('source'), broker.unique('destination')];
    const queue = await exclusiveQueue('bound');
    await channel.exchangeDeclare(source, 'topic', { autoDelete: true });
    await channel.exchangeDeclare(destination, 'fanout', { autoDelete: true, internal: true });
    await channel.exchangeBind(destination, source, 'a.*');
    await channel.queueBind(queue, destination, '');
    await channel.confirmSelect();
    await channel.basicPublish(source, 'a.b', 'x');
    expect((await channel.basicGet(queue))?.bodyString()).toBe('x');
    await channel.exchangeUnbind(destination, source, 'a.*');
  });

  test('carries every property and kind of header, and a body of several frames', async () => {
    const queue = await exclusiveQueue('properties');
    const properties = {
      contentType: 'text/plain',
      contentEncoding: 'identity',
      headers: headersOfEveryKind,
      deliveryMode: 2,
      priority: 3,
      correlationId: 'c',
      replyTo: 'r',
      expiration: '60000',
      messageId: 'm',
      timestamp: new Date(1_700_000_000_000),
      type: 't',
      userId: 'guest',
      appId: 'a',
    };
    const body = new Uint8Array(600_000).fill(7);
    await channel.confirmSelect();
    await channel.basicPublish('', queue, body, properties);
    const message = await channel.basicGet(queue);
    expect(message?.properties).toEqual(properties);
    expect(message).toMatchObject({ routingKey: queue, exchange: '', redelivered: false, bodySize: 600_000 });
    expect(Buffer.from(message?.body ?? []).equals(Buffer.from(body))).toBe(true);
  });

  test('returns what no queue takes before it is confirmed, and refuses what a full queue rejects', async () => {
    const queue = await exclusiveQueue('full', { 'x-max-length': 1, 'x-overflow': 'reject-publish' });
    const order: unknown[] = [];
    channel.onReturn = ({ replyCode, replyText }: AMQPMessage) => order.push([replyCode, replyText]);
    await channel.confirmSelect();
    await channel.basicPublish('', broker.unique('nobody'), 'x', {}, true);
    order.push('confirmed');
    expect(order).toEqual([[312, 'NO_ROUTE'], 'confirmed']);
    await channel.basicPublish('', queue, '1');
    await expect(channel.basicPublish('', queue, '2')).rejects.toThrow('rejected');
  });

  test('hands out no more than the prefetch; acknowledges, requeues and dead-letters', async () => {
    const dead = await exclusiveQueue('dead');
    const queue = await exclusiveQueue('work', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': dead });
    await channel.confirmSelect();
    for (const text of ['1', '2', '3']) await channel.basicPublish('', queue, text);
    await channel.prefetch(2);
    const messages: AMQPMessage[] = [];
    const consumer = await channel.basicConsume(queue, { noAck: false }, (message) => void messages.push(message));
    const texts = (): (string | null)[] => messages.map((message) => message.bodyString());
    await until('two are there', () => messages.length === 2);
    await pause(50);
    expect(texts()).toEqual(['1', '2']);
    await messages[0]?.nack(true);
    await until('it came again', () => messages.length === 3);
    expect(messages[2]?.redelivered).toBe(true);
    await messages[1]?.reject(false);
    await until('the third is there', () => messages.length === 4);
    await messages[3]?.ack(true);
    await consumer.cancel();
    expect(texts()).toEqual(['1', '2', '1', '3']);
    expect((await channel.basicGet(dead))?.properties.headers).toMatchObject({
      'x-death': [{ queue, reason: 'rejected', count: 1 }],
    });
    expect(await channel.queueDeclare(queue, { passive: true })).toMatchObject({ messageCount: 0, consumerCount: 0 });
  });

  test('consumes by an iterator, purges, deletes, recovers, commits and rolls back', async () => {
    const queue = await exclusiveQueue('iterated');
    for (const text of ['1', '2', '3']) await channel.basicPublish('', queue, text);
    const consumer = await channel.basicConsume(queue, { noAck: false });
    const seen: (string | null)[] = [];
    for await (const message of consumer.messages) {
      seen.push(message.bodyString());
      if (seen.length === 2) break;
    }
    expect(seen).toEqual(['1', '2']);
    await consumer.cancel();
    await channel.basicRecover(true);
    expect(await channel.queuePurge(queue)).toMatchObject({ messageCount: 3 });
    const transacted = await connection.channel();
    await transacted.txSelect();
    await transacted.basicPublish('', queue, 'gone');
    await transacted.txRollback();
    await transacted.basicPublish('', queue, 'kept');
    await transacted.txCommit();
    expect((await channel.basicGet(queue))?.bodyString()).toBe('kept');
    expect(await channel.queueDelete(queue)).toMatchObject({ messageCount: 0 });
  });

  test.each([
    [404, 'NOT_FOUND', (on: AMQPChannel) => on.queueDeclare(broker.unique('absent'), { passive: true })],
    [406, 'PRECONDITION_FAILED', (on: AMQPChannel) => on.exchangeDeclare('amq.topic', 'fanout')],
    [403, 'ACCESS_REFUSED', (on: AMQPChannel) => on.queueDeclare('amq.reserved')],
    [403, 'ACCESS_REFUSED', (on: AMQPChannel) => on.exchangeDelete('amq.direct')],
  ])('an error is an AMQPError with its code: %d', async (code, name, call) => {
    const error = await rejection(call(channel));
    expect(error).toBeInstanceOf(AMQPError);
    expect(error.message).toMatch(new RegExp(`${name}.*\\(${String(code)}\\)`, 's'));
    expect([channel.closed, connection.closed]).toEqual([true, false]);
    // The connection goes on.
    channel = await connection.channel();
    await exclusiveQueue('after');
  });

  test('a wrong password, and a virtual host that is not there, refuse the connection', async () => {
    const url = new URL(broker.url);
    url.password = 'wrong';
    const refusal = await rejection(new AMQPClient(url.href, undefined, null).connect());
    expect(refusal).toBeInstanceOf(AMQPError);
    expect(refusal.message).toMatch(/ACCESS_REFUSED.*\(403\)/s);
    const absent = await rejection(new AMQPClient(`${broker.url}/nowhere`, undefined, null).connect());
    expect(absent.message).toMatch(/NOT_ALLOWED.*\(530\)/s);
  });

  test('stays connected by heartbeats that come within their interval', async () => {
    // This client gives up after one silent interval, and not after two.
    const beating = await open('?heartbeat=1');
    const errors: string[] = [];
    beating.onerror = ({ message }) => void errors.push(message);
    await pause(3300);
    expect({ closed: beating.closed, errors }).toEqual({ closed: false, errors: [] });
    await beating.close();
  });

  test('renews its secret', async () => {
    await expect(connection.updateSecret('guest', 'renewed')).resolves.toBeUndefined();
  });

  test('a session calls by direct reply-to, and recovers what it consumes after a cut', async () => {
    const proxy = await TcpProxy.start(broker.url);
    const session = await AMQPSession.connect(proxy.url, { reconnectInterval: 50, logger: null });
    const name = broker.unique('rpc');
    const queue = await session.queue(name, { durable: true, arguments: { 'x-expires': 60_000 } });
    const server = await session.rpcServer(name, (request) => `re: ${String(request.bodyString())}`);
    expect((await session.rpcCall(name, 'hello', { timeout: 5000 })).bodyString()).toBe('re: hello');
    expect(proxy.cut()).toBe(1);
    await until('it is back', async () => {
      const reply = await session.rpcCall(name, 'again', { timeout: 500 }).catch(() => undefined);
      return reply?.bodyString() === 're: again';
    });
    expect(proxy.connections).toBe(2);
    await server.close();
    await queue.delete();
    await session.stop();
    await proxy.stop();
  });
});
