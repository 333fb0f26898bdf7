/**
 * What users of other clients look for, and no other suite holds: what is negotiated and announced, what the channel
 * knows of its consumers, the conditions of declares and deletes. Named in docs/parity-pika.md.
 */
import { Socket } from 'node:net';
import { describe, expect, jest, test } from '@jest/globals';
import {
  type AmqpError,
  ChannelClosedError,
  connect,
  ConnectionClosedError,
  ConnectionRefusedError,
  type Channel,
  type Connection,
} from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { ScriptedPeer } from '../../support/scripted-peer.js';
import { rejection, until } from '../../support/waiting.js';

const nowhere = 'amqp://127.0.0.1:1';

describe('announced to the broker', () => {
  test('client properties, connection name and locale', async () => {
    const { transport, peers } = ScriptedPeer.factory();
    const connection = await connect({
      transport,
      connectionName: 'billing',
      clientProperties: { product: 'shop', capabilities: { own: true } },
      locale: 'de_DE',
    });
    const startOk = peers[0]?.heard.find(({ name }) => name === 'connection.start-ok');
    await connection.close();
    expect(startOk?.fields).toMatchObject({
      locale: 'de_DE',
      clientProperties: {
        connection_name: 'billing',
        product: 'shop',
        capabilities: { own: true, publisher_confirms: true, 'connection.blocked': true },
      },
    });
  });

  test('the code and the text of a close; calls after it are refused as closed by us', async () => {
    const { transport, peers } = ScriptedPeer.factory();
    const connection = await connect({ transport });
    const channel = await connection.openChannel();
    const other = await connection.openChannel();
    await channel.close({ replyCode: 320, replyText: 'maintenance' });
    await connection.close({ replyCode: 541, replyText: 'the end' });
    const said = peers[0]?.heard.filter(({ name }) => name.endsWith('.close')).map(({ fields }) => fields);
    expect(said).toEqual([
      expect.objectContaining({ replyCode: 320, replyText: 'maintenance' }),
      expect.objectContaining({ replyCode: 541, replyText: 'the end' }),
    ]);
    const refusals = [await rejection(channel.queueDeclare('q')), await rejection(other.queueDeclare('q'))];
    expect(refusals[0]).toBeInstanceOf(ChannelClosedError);
    expect(refusals[1]).toBeInstanceOf(ConnectionClosedError);
  });
});

describe('a first connect', () => {
  test('can be given up by a signal, however many attempts it has', async () => {
    const giveUp = new AbortController();
    const connecting = connect(nowhere, { attempts: Infinity, retryDelay: 60_000, signal: giveUp.signal });
    giveUp.abort(new Error('the user left'));
    const error = await rejection(connecting);
    expect(error).toBeInstanceOf(ConnectionClosedError);
    expect(error.cause).toEqual(new Error('the user left'));
  });

  test('that failed on several endpoints tells of each', async () => {
    const error = await rejection(connect([nowhere, 'amqp://127.0.0.1:2'], { order: 'shuffled' }));
    expect(error).toBeInstanceOf(ConnectionRefusedError);
    const { errors } = error.cause as AggregateError;
    expect(errors.map((each) => /127\.0\.0\.1:[12]/.exec(String(each))?.[0]).sort()).toEqual([
      '127.0.0.1:1',
      '127.0.0.1:2',
    ]);
  });
});

describeOnBroker('a connection', (broker) => {
  test.each([
    ['a number', 45, 45],
    ['off', 0, 0],
    ['a function of what the broker proposes', (proposed: number) => proposed + 7, 67],
  ] as const)('its heartbeat may be %s', async (_name, heartbeat, expected) => {
    const connection = await connect(broker.url, { heartbeat });
    expect(connection.negotiated.heartbeat).toBe(expected);
    await connection.close();
  });

  test('knows what was agreed on, and where it leads', async () => {
    const url = new URL(broker.url);
    const connection = await connect([nowhere, broker.url], { frameMax: 16_384, channelMax: 12 });
    expect(connection.negotiated).toMatchObject({ frameMax: 16_384, channelMax: 12 });
    expect(connection.endpoint).toEqual({ host: url.hostname, port: Number(url.port), virtualHost: '/', tls: false });
    await connection.close();
  });

  test('sets no-delay and keep-alive of its socket as it is told', async () => {
    const noDelay = jest.spyOn(Socket.prototype, 'setNoDelay');
    const keepAlive = jest.spyOn(Socket.prototype, 'setKeepAlive');
    const connection = await connect(broker.url, { tcp: { noDelay: false, keepAlive: 12_345 } });
    expect(noDelay).toHaveBeenCalledWith(false);
    expect(keepAlive).toHaveBeenCalledWith(true, 12_345);
    await connection.close();
    noDelay.mockRestore();
    keepAlive.mockRestore();
  });

  test('recovers only from what the predicate says', async () => {
    const causes: AmqpError[] = [];
    const connection = await connect(broker.url, {
      recovery: {
        when: (cause) => {
          causes.push(cause);
          return false;
        },
      },
    });
    const channel = await connection.openChannel();
    await rejection(channel.queueDeclare(broker.unique('missing'), { passive: true }));
    await until('the channel is over', () => channel.isClosed);
    expect(causes).toEqual([expect.objectContaining({ replyCode: 404 })]);
    expect(connection.isOpen).toBe(true);
    await connection.close();
  });
});

describeOnBroker('a channel', (broker) => {
  let connection: Connection;
  let channel: Channel;

  beforeAll(async () => {
    connection = await connect(broker.url);
  });

  beforeEach(async () => {
    channel = await connection.openChannel({ confirm: true });
  });

  afterAll(async () => {
    await connection.close();
  });

  async function queue(): Promise<string> {
    return (await channel.queueDeclare('', { exclusive: true })).queue;
  }

  test('knows its consumers, and cancels one by its tag', async () => {
    const name = await queue();
    await channel.basicConsume(name, () => undefined, { consumerTag: 'first' });
    await channel.basicConsume(name, () => undefined, { consumerTag: 'second' });
    expect(channel.consumers.map(({ consumerTag }) => consumerTag)).toEqual(['first', 'second']);
    await channel.basicCancel('first');
    expect(channel.consumers.map(({ consumerTag }) => consumerTag)).toEqual(['second']);
    expect((await channel.queueDeclare(name, { passive: true })).consumerCount).toBe(1);
  });

  test('is open, away or closed for good, and has a number while it is open', async () => {
    expect([channel.isOpen, channel.isClosed, typeof channel.number]).toEqual([true, false, 'number']);
    await channel.close();
    expect([channel.isOpen, channel.isClosed, channel.number]).toEqual([false, true, undefined]);
    expect(connection.channels).not.toContain(channel);
  });

  test('a listener that was taken off hears nothing more', async () => {
    const heard: string[] = [];
    const first = (): unknown => heard.push('first');
    channel.on('closed', first).on('closed', () => heard.push('second'));
    channel.off('closed', first);
    await channel.close();
    expect(heard).toEqual(['second']);
  });

  test('a pull stream tells how many messages wait in it', async () => {
    const name = await queue();
    for (const body of ['one', 'two', 'three']) await channel.publish('', name, body);
    const stream = channel.consume(name);
    expect((await stream.next()).value?.text()).toBe('one');
    await until('the others are here', () => stream.buffered === 2);
    expect(await stream.cancel()).toBe(2);
  });

  test('passive declares only look', async () => {
    const name = await queue();
    await channel.publish('', name, 'one');
    expect(await channel.queueDeclare(name, { passive: true })).toEqual({
      queue: name,
      messageCount: 1,
      consumerCount: 0,
    });
    await channel.exchangeDeclare('amq.topic', 'topic', { passive: true });
    const missing = channel.exchangeDeclare(broker.unique('missing'), 'direct', { passive: true });
    expect(await rejection(missing)).toMatchObject({ replyCode: 404 });
  });

  test('deletes only what is unused, or empty, where that is asked', async () => {
    const [name, exchange] = [await queue(), broker.unique('exchange')];
    await channel.exchangeDeclare(exchange, 'fanout', { autoDelete: false });
    await channel.queueBind(name, exchange);
    await channel.publish('', name, 'one');
    for (const refused of [
      () => channel.queueDelete(name, { ifEmpty: true }),
      () => channel.exchangeDelete(exchange, { ifUnused: true }),
    ]) {
      expect(await rejection(refused())).toMatchObject({ replyCode: 406 });
    }
    const consumer = await channel.basicConsume(name, () => undefined);
    expect(await rejection(channel.queueDelete(name, { ifUnused: true }))).toMatchObject({ replyCode: 406 });
    await consumer.cancel();
    expect(await channel.queueDelete(name, { ifUnused: true })).toBe(1);
    await channel.exchangeDelete(exchange, { ifUnused: true });
  });

  test('an internal exchange takes no publishes', async () => {
    const exchange = broker.unique('exchange');
    await channel.exchangeDeclare(exchange, 'fanout', { internal: true, autoDelete: false });
    const error = await rejection(channel.publish(exchange, '', 'one'));
    expect(error.cause).toMatchObject({ replyCode: 403 });
    await channel.exchangeDelete(exchange);
  });
});
