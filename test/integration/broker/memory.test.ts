/** What the embedded broker holds, and what it does when that is too much. */
import { connect, type Connection } from 'leveret/amqp';
import { EmbeddedBroker } from 'leveret/broker';
import { rejection, until } from '../../support/waiting.js';

const limit = 1024 * 1024;

describe('the memory of the embedded broker', () => {
  let broker: EmbeddedBroker;
  let publisher: Connection;
  let consumer: Connection;

  beforeEach(async () => {
    broker = await EmbeddedBroker.start({ port: 0, memoryLimit: limit });
    publisher = await connect(broker.url, { connectionName: 'publisher' });
    consumer = await connect(broker.url, { connectionName: 'consumer' });
  });

  afterEach(async () => {
    await Promise.all([publisher.close(), consumer.close()]);
    await broker.stop();
  });

  it('is counted in bodies, properties and 512 bytes for each message, in each queue, until they are settled', async () => {
    const channel = await publisher.openChannel({ confirm: true });
    await channel.queueDeclare('q');
    await channel.queueDeclare('other');
    for (const queue of ['q', 'other']) await channel.queueBind(queue, 'amq.fanout');
    await channel.publish('amq.fanout', '', Buffer.alloc(1_000));
    const one = 1_000 + 2 + 512;
    expect(broker.inspect.memory()).toEqual({ bytes: 2 * one, alarm: undefined });
    const got = await channel.basicGet('q');
    expect(broker.inspect.memory().bytes).toBe(2 * one);
    got?.nack();
    await until('it is back', () => broker.inspect.queue('q')?.messageCount === 1);
    expect(broker.inspect.memory().bytes).toBe(2 * one);
    (await channel.basicGet('q'))?.ack();
    await until('it is gone', () => broker.inspect.memory().bytes === one);
    await channel.queuePurge('other');
    expect(broker.inspect.memory().bytes).toBe(0);
    await channel.publish('amq.fanout', '', 'x');
    await channel.basicGet('q');
    await channel.queueDelete('q');
    await channel.queueDelete('other');
    await channel.close();
    await until('nothing is held', () => broker.inspect.memory().bytes === 0);
  });

  it('is also what transactions hold until their commit, a rollback or the end of their channel', async () => {
    const channel = await publisher.openChannel();
    await channel.queueDeclare('q');
    await channel.txSelect();
    const held = 2 * (1_000 + 2 + 512);
    const publishTwice = async (): Promise<void> => {
      for (let count = 0; count < 2; count++) channel.basicPublish('', 'q', Buffer.alloc(1_000));
      await until('they are held', () => broker.inspect.memory().bytes === held);
      expect(broker.inspect.queue('q')?.messageCount).toBe(0);
    };
    await publishTwice();
    await channel.txRollback();
    expect(broker.inspect.memory().bytes).toBe(0);
    await publishTwice();
    await channel.txCommit();
    expect(broker.inspect.memory().bytes).toBe(held);
    expect(await (await consumer.openChannel()).queuePurge('q')).toBe(2);
    await publishTwice();
    await channel.close();
    expect(broker.inspect.memory().bytes).toBe(0);
  });

  it('over its limit by a transaction, blocks who fills it; others go on when its connection is gone', async () => {
    const blocked: string[] = [];
    publisher.on('blocked', ({ reason }) => blocked.push(reason));
    const channel = await publisher.openChannel();
    await channel.queueDeclare('q');
    await channel.txSelect();
    for (let count = 0; count < 11; count++) channel.basicPublish('', 'q', Buffer.alloc(100_000));
    await until('it is blocked', () => blocked.length > 0);
    expect(broker.inspect.memory()).toMatchObject({ alarm: 'low on memory' });
    broker.faults.drop('publisher');
    expect(broker.inspect.memory()).toEqual({ bytes: 0, alarm: undefined });
    const other = await consumer.openChannel({ confirm: true });
    await other.publish('', 'q', 'x');
  });

  it('over its limit publishers are blocked and not read, consumers go on, and below nine tenths all goes on', async () => {
    const blocked: string[] = [];
    let unblocked = 0;
    publisher.on('blocked', ({ reason }) => blocked.push(reason));
    publisher.on('unblocked', () => (unblocked += 1));
    consumer.on('blocked', ({ reason }) => blocked.push(`consumer: ${reason}`));
    const channel = await publisher.openChannel({ confirm: true });
    await channel.queueDeclare('q');
    const body = Buffer.alloc(100_000);
    const publishes = Array.from({ length: 30 }, () => channel.publish('', 'q', body));
    await until('it is blocked', () => blocked.length > 0);
    expect(blocked).toEqual(['low on memory']);
    expect(broker.inspect.memory().alarm).toBe('low on memory');
    expect(broker.inspect.connections().map(({ name, isBlocked }) => [name, isBlocked])).toEqual([
      ['publisher', true],
      ['consumer', false],
    ]);
    // What was read already is taken: a chunk of the socket's at most.
    expect(broker.inspect.memory().bytes).toBeLessThan(limit + 300_000);
    let seen = 0;
    const reading = await consumer.openChannel({ prefetch: 1 });
    await reading.basicConsume('q', (delivery) => {
      seen += 1;
      delivery.ack();
    });
    await Promise.all(publishes);
    await until('all are consumed', () => seen === 30);
    await until('it is unblocked', () => unblocked > 0);
    // The last of the acks may still be on its way.
    await until('nothing is held', () => broker.inspect.memory().bytes === 0);
    expect(broker.inspect.memory().alarm).toBeUndefined();
    expect(blocked.every((reason) => reason === 'low on memory')).toBe(true);
  });

  it('a connection that publishes first under the alarm is blocked then; what is purged lets it go on', async () => {
    const channel = await publisher.openChannel({ confirm: true });
    await channel.queueDeclare('q');
    channel.basicPublish('', 'q', Buffer.alloc(limit));
    await until('the alarm', () => broker.inspect.memory().alarm !== undefined);
    const late = await connect(broker.url);
    const blocked: string[] = [];
    late.on('blocked', ({ reason }) => blocked.push(reason));
    const lateChannel = await late.openChannel({ confirm: true });
    lateChannel.basicPublish('', 'q', 'x');
    await until('it is blocked, too', () => blocked.length === 1);
    await (await consumer.openChannel()).queuePurge('q');
    await lateChannel.publish('', 'q', 'y');
    expect(broker.inspect.memory().alarm).toBeUndefined();
    await late.close();
  });

  it('has a limit that is a number of bytes', async () => {
    for (const memoryLimit of [0, -1, Number.NaN, '1' as unknown as number]) {
      expect(await rejection(EmbeddedBroker.start({ memoryLimit }))).toMatchObject({
        name: 'ArgumentError',
        argument: 'memoryLimit',
      });
    }
    await (await EmbeddedBroker.start({ memoryLimit: Infinity })).stop();
  });
});
