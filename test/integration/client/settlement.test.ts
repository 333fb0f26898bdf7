/** Settling by bare delivery tag, and basic.recover: nothing that the broker would close the channel for is ever sent. */
import {
  AlreadySettledError,
  ArgumentError,
  connect,
  WrongStateError,
  type Channel,
  type Connection,
  type Delivery,
} from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { rejection, until } from '../../support/waiting.js';

describeOnBroker('settling by delivery tag', (broker) => {
  let connection: Connection;
  let channel: Channel;
  let queue: string;
  const cuts = new Cuts();
  const closures: unknown[] = [];

  beforeEach(async () => {
    connection = await connect(broker.url, {
      transport: cuts.transport,
      recovery: { initialDelay: 10, maxDelay: 200 },
    });
    channel = await connection.openChannel({ confirm: true });
    queue = broker.unique('settle');
    await channel.queueDeclare(queue);
    closures.length = 0;
    channel.on('lost', ({ cause }) => closures.push(cause));
  });

  afterEach(async () => {
    // Nothing in this suite may cost the channel.
    expect(closures).toEqual([]);
    await channel.queueDelete(queue).catch(() => undefined);
    await connection.close();
  });

  async function publish(...bodies: string[]): Promise<void> {
    await Promise.all(bodies.map((body) => channel.publish('', queue, body)));
  }

  async function take(count: number): Promise<Delivery[]> {
    const taken: Delivery[] = [];
    while (taken.length < count) {
      const delivery = await channel.basicGet(queue);
      if (delivery) taken.push(delivery);
    }
    return taken;
  }

  const ready = async (): Promise<number> => (await channel.queueDeclare(queue, { passive: true })).messageCount;

  test('ack forgets, nack and reject give back or drop', async () => {
    await publish('1', '2', '3', '4', '5');
    const tags = (await take(5)).map(({ deliveryTag }) => deliveryTag);
    expect(channel.unsettledDeliveries).toBe(5);
    const [one = 0, two = 0, three = 0, four = 0, five = 0] = tags;
    expect(channel.basicAck(one)).toBe('sent');
    expect(channel.basicNack(two)).toBe('sent');
    expect(channel.basicNack(three, { requeue: false })).toBe('sent');
    expect(channel.basicReject(four)).toBe('sent');
    expect(channel.basicReject(five, { requeue: false })).toBe('sent');
    expect(channel.unsettledDeliveries).toBe(0);
    await until('two are back', async () => (await ready()) === 2);
    expect((await take(2)).map((delivery) => delivery.text()).sort()).toEqual(['2', '4']);
  });

  test('multiple covers all up to the tag; 0 covers everything', async () => {
    await publish('1', '2', '3', '4', '5', '6');
    const deliveries = await take(6);
    const tag = (index: number): number => deliveries[index]?.deliveryTag ?? 0;
    expect(channel.basicAck(tag(1), { multiple: true })).toBe('sent');
    expect(deliveries.map(({ isSettled }) => isSettled)).toEqual([true, true, false, false, false, false]);
    expect(channel.basicNack(tag(3), { multiple: true, requeue: false })).toBe('sent');
    expect(channel.basicNack(0, { multiple: true })).toBe('sent');
    expect(channel.unsettledDeliveries).toBe(0);
    await until('the last two are back', async () => (await ready()) === 2);
    // With nothing to settle the broker does not mind.
    expect(channel.basicAck(0, { multiple: true })).toBe('sent');
    expect(await ready()).toBe(2);
  });

  test('settled twice, by tag or by delivery, is an error, and nothing is sent', async () => {
    await publish('1', '2', '3');
    const [one, two, three] = await take(3);
    if (!one || !two || !three) throw new Error('three were published');
    one.ack();
    expect(() => channel.basicAck(one.deliveryTag)).toThrow(AlreadySettledError);
    channel.basicAck(two.deliveryTag);
    expect(() => two.nack()).toThrow(AlreadySettledError);
    channel.basicAck(three.deliveryTag, { multiple: true });
    expect(() => channel.basicReject(three.deliveryTag)).toThrow(AlreadySettledError);
    expect(() => channel.basicAck(one.deliveryTag, { multiple: true })).toThrow(AlreadySettledError);
    expect(await ready()).toBe(0);
  });

  test('a tag that this channel has not delivered is an error: one of another channel, or of the future', async () => {
    await publish('1', '2');
    const other = await connection.openChannel();
    const foreign = await take(2);
    expect(() => other.basicAck(foreign[1]?.deliveryTag ?? 0)).toThrow(WrongStateError);
    expect(() => channel.basicAck(3)).toThrow(/has not delivered 3/);
    expect(() => channel.basicAck(0)).toThrow(ArgumentError);
    for (const tag of [-1, 1.5, Number.NaN, 2 ** 60, '1', null, undefined]) {
      expect(() => channel.basicAck(tag as number)).toThrow(ArgumentError);
    }
    expect(channel.basicAck(0, { multiple: true })).toBe('sent');
    await other.close();
  });

  test('a message that came with noAck needs no settlement, and counts in the numbering', async () => {
    await publish('1', '2');
    const first = await channel.basicGet(queue, { noAck: true });
    const second = await channel.basicGet(queue);
    expect([first?.deliveryTag, second?.deliveryTag]).toEqual([1, 2]);
    expect(() => channel.basicAck(1)).toThrow(AlreadySettledError);
    expect(channel.basicAck(2)).toBe('sent');
    expect(await ready()).toBe(0);
  });

  test('a tag of an earlier life is stale, and never settles a message of this one', async () => {
    await publish('1', '2');
    const tags: number[] = [];
    await channel.basicConsume(queue, ({ deliveryTag }) => tags.push(deliveryTag));
    await until('both came', () => tags.length === 2);
    const recovered = new Promise((resolve) => connection.once('recovered', resolve));
    cuts.cutAll();
    await recovered;
    await until('both came again', () => tags.length === 4);
    const [one = 0, two = 0, three = 0, four = 0] = tags;
    expect(three).toBeGreaterThan(two);
    expect(channel.basicAck(one)).toBe('stale');
    expect(channel.basicAck(two, { multiple: true })).toBe('stale');
    expect(channel.unsettledDeliveries).toBe(2);
    expect(channel.basicAck(three)).toBe('sent');
    expect(channel.basicAck(four)).toBe('sent');
    await channel.close();
    expect(channel.basicAck(four)).toBe('stale');
    const looker = await connection.openChannel();
    expect((await looker.queueDeclare(queue, { passive: true })).messageCount).toBe(0);
    await looker.close();
  });

  test('basic.recover: what is unsettled comes again, and the old deliveries are stale', async () => {
    await publish('1', '2', '3');
    const deliveries: Delivery[] = [];
    await channel.basicConsume(queue, (delivery) => deliveries.push(delivery));
    await until('three came', () => deliveries.length === 3);
    deliveries[0]?.ack();
    const recovered = channel.basicRecover();
    // Said before the broker's answer, settled after ours: it would be 406.
    expect(deliveries[1]?.isStale).toBe(true);
    expect(deliveries[1]?.ack()).toBe('stale');
    await recovered;
    await until('two came again', () => deliveries.length === 5);
    expect(deliveries[2]?.nack()).toBe('stale');
    expect(deliveries.slice(3).map((delivery) => [delivery.text(), delivery.redelivered, delivery.isStale])).toEqual([
      ['2', true, false],
      ['3', true, false],
    ]);
    expect(deliveries.slice(3).map((delivery) => delivery.ack({ multiple: false }))).toEqual(['sent', 'sent']);
    expect(await ready()).toBe(0);
  });

  test('what RabbitMQ answers with the end of the connection is refused here', async () => {
    expect(await rejection(channel.basicRecover({ requeue: false }))).toBeInstanceOf(ArgumentError);
    expect(await rejection(channel.channelFlow(false))).toBeInstanceOf(ArgumentError);
    await channel.channelFlow(true);
    expect(connection.epoch).toBe(1);
  });
});
