/** Consuming with a callback, as an async iterator, and one by one. */
import {
  AlreadySettledError,
  ArgumentError,
  connect,
  DuplicateConsumerTagError,
  WrongStateError,
  type Channel,
  type Connection,
  type Delivery,
} from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { pause, rejection, until } from '../../support/waiting.js';

describeOnBroker('consuming', (broker) => {
  let connection: Connection;
  let channel: Channel;
  let queue: string;

  async function publish(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, (_none, index) => channel.publish('', queue, String(index))));
  }

  async function counts(): Promise<{ messageCount: number; consumerCount: number }> {
    return channel.queueDeclare(queue, { passive: true });
  }

  beforeEach(async () => {
    connection = await connect(broker.url);
    channel = await connection.openChannel({ confirm: true, prefetch: 10 });
    queue = broker.unique('consume');
    await channel.queueDeclare(queue);
  });

  afterEach(async () => {
    await channel.queueDelete(queue).catch(() => undefined);
    await connection.close();
  });

  test('a callback gets deliveries in order, within its prefetch, and acks free room for more', async () => {
    await publish(25);
    const waiting: Delivery[] = [];
    const consumer = await channel.basicConsume(queue, (delivery) => waiting.push(delivery));
    await until('ten are delivered', () => waiting.length === 10);
    await pause(50);
    expect(waiting.map(({ body }) => Number(body))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(waiting[0]).toMatchObject({
      consumerTag: consumer.consumerTag,
      exchange: '',
      routingKey: queue,
      redelivered: false,
    });
    expect(waiting[9]?.ack({ multiple: true })).toBe('sent');
    expect(waiting.slice(0, 10).every(({ isSettled }) => isSettled)).toBe(true);
    await until('ten more', () => waiting.length === 20);
    for (const delivery of waiting.slice(10)) delivery.ack();
    await until('the rest', () => waiting.length === 25);
    for (const delivery of waiting.slice(20)) delivery.ack();
    await consumer.cancel();
    await consumer.cancel();
    expect(await counts()).toMatchObject({ messageCount: 0, consumerCount: 0 });
  });

  test('prefetch is each consumer\u2019s own', async () => {
    await publish(30);
    const [few, many]: [Delivery[], Delivery[]] = [[], []];
    await channel.basicConsume(queue, (delivery) => few.push(delivery), { prefetch: 3 });
    await channel.basicConsume(queue, (delivery) => many.push(delivery), { prefetch: 7 });
    await until('both are full', () => few.length === 3 && many.length === 7);
    await pause(50);
    expect([few.length, many.length]).toEqual([3, 7]);
  });

  test('nack and reject give back or drop', async () => {
    await publish(3);
    const first = await channel.basicGet(queue);
    expect(first?.nack({ requeue: true })).toBe('sent');
    const again = await channel.basicGet(queue);
    expect(again?.redelivered).toBe(true);
    expect(again?.body.toString()).toBe('0');
    expect(again?.reject({ requeue: false })).toBe('sent');
    const next = await channel.basicGet(queue);
    expect(next?.body.toString()).toBe('1');
    expect(next?.messageCount).toBe(1);
    next?.nack({ requeue: false });
    (await channel.basicGet(queue))?.ack();
    expect(await channel.basicGet(queue)).toBeNull();
  });

  test('a delivery is settled once: twice, below a multiple, or with noAck is an error, and the channel goes on', async () => {
    await publish(4);
    const { number } = channel;
    const [one, two, three] = [
      await channel.basicGet(queue),
      await channel.basicGet(queue),
      await channel.basicGet(queue),
    ];
    one?.ack();
    expect(() => one?.ack()).toThrow(AlreadySettledError);
    expect(() => one?.nack()).toThrow(AlreadySettledError);
    three?.ack({ multiple: true });
    expect(() => two?.reject()).toThrow(AlreadySettledError);
    const free = await channel.basicGet(queue, { noAck: true });
    expect(() => free?.ack()).toThrow(WrongStateError);
    expect(await channel.basicGet(queue)).toBeNull();
    expect(channel.number).toBe(number);
  });

  test('a callback that throws or rejects is reported, and harms nobody', async () => {
    await publish(3);
    const errors: string[] = [];
    channel.on('callbackError', (error) => errors.push(error.message));
    const seen: string[] = [];
    await channel.basicConsume(queue, (delivery) => {
      seen.push(delivery.body.toString());
      delivery.ack();
      if (seen.length === 1) throw new Error('thrown');
      return seen.length === 2 ? Promise.reject(new Error('rejected')) : undefined;
    });
    await until('all three', () => seen.length === 3 && errors.length === 2);
    expect(errors).toEqual(['thrown', 'rejected']);
    expect(channel.isOpen).toBe(true);
  });

  test('a tag is free once per channel', async () => {
    await channel.basicConsume(queue, () => undefined, { consumerTag: 'mine' });
    expect(await rejection(channel.basicConsume(queue, () => undefined, { consumerTag: 'mine' }))).toBeInstanceOf(
      DuplicateConsumerTagError,
    );
    const other = await connection.openChannel();
    const same = await other.basicConsume(queue, () => undefined, { consumerTag: 'mine' });
    expect(same.consumerTag).toBe('mine');
  });

  test('an exclusive consumer keeps others out', async () => {
    await channel.basicConsume(queue, () => undefined, { exclusive: true });
    const other = await connection.openChannel();
    expect(await rejection(other.basicConsume(queue, () => undefined))).toMatchObject({ replyCode: 403 });
  });

  test('a queue that is missing is a 404, and the channel is back with its other consumers', async () => {
    const seen: string[] = [];
    await channel.basicConsume(queue, (delivery) => {
      seen.push(delivery.body.toString());
      delivery.ack();
    });
    expect(await rejection(channel.basicConsume(broker.unique('missing'), () => undefined))).toMatchObject({
      replyCode: 404,
    });
    await channel.publish('', queue, 'after');
    await until('the consumer is back', () => seen.includes('after'));
    expect(await counts()).toMatchObject({ consumerCount: 1 });
  });

  test('leaving the loop cancels the consumer and says how many went back', async () => {
    await publish(8);
    const stream = channel.consume(queue, { prefetch: 5 });
    const seen: string[] = [];
    for await (const delivery of stream) {
      seen.push(delivery.body.toString());
      delivery.ack();
      if (seen.length === 2) {
        await pause(100);
        break;
      }
    }
    expect(seen).toEqual(['0', '1']);
    expect(stream.requeued).toBeGreaterThan(0);
    await until('all six are back', async () => (await counts()).messageCount === 6);
    expect(await counts()).toMatchObject({ consumerCount: 0 });
    expect((await channel.basicGet(queue))?.body.toString()).toBe('2');
  });

  test('silence of the given length ends the loop', async () => {
    await publish(3);
    const seen: string[] = [];
    for await (const delivery of channel.consume(queue, { inactivityTimeout: 200 })) {
      seen.push(delivery.body.toString());
      delivery.ack();
    }
    expect(seen).toEqual(['0', '1', '2']);
    expect(await counts()).toMatchObject({ messageCount: 0, consumerCount: 0 });
  });

  test('several calls of next at a time are served in order, and all end', async () => {
    await publish(2);
    const stream = channel.consume(queue, { noAck: true });
    const pulls = [stream.next(), stream.next(), stream.next()];
    expect((await pulls[0])?.value?.body.toString()).toBe('0');
    expect((await pulls[1])?.value?.body.toString()).toBe('1');
    await stream.return();
    expect((await pulls[2])?.done).toBe(true);
  });

  test('options of another kind than an object are refused: a boolean would mean its opposite', async () => {
    await publish(1);
    const got = await channel.basicGet(queue);
    expect(() => got?.nack(false as never)).toThrow(ArgumentError);
    expect(() => got?.nack({ requeu: false } as never)).toThrow(ArgumentError);
    expect(got?.ack()).toBe('sent');
  });

  test('channel.cancel ends all pull streams and sums what went back', async () => {
    await publish(6);
    const stream = channel.consume(queue, { prefetch: 4 });
    const first = await stream.next();
    await pause(100);
    expect(await channel.cancel()).toBe(3);
    expect(await channel.cancel()).toBe(0);
    expect((await stream.next()).done).toBe(true);
    first.value?.ack();
    await until('five are back', async () => (await counts()).messageCount === 5);
  });

  test('a loop over a missing queue rejects; closing the channel ends one', async () => {
    const missing = channel.consume(broker.unique('missing'));
    expect(await rejection(missing.next())).toMatchObject({ replyCode: 404 });
    const other = await connection.openChannel();
    const waiting = other.consume(queue).next();
    await pause(50);
    await other.close();
    expect((await waiting).done).toBe(true);
  });
});
