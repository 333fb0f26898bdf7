/** Acknowledgements of one turn, which go as one basic.ack where that covers nothing else. */
import { connect, type Channel, type Connection, type ConnectionParameters, type Delivery } from 'leveret/amqp';
import { ByteReader, readMethod, methodIds, type MethodInputs } from '../../../lib/amqp/protocol/index.js';
import { describeOnBroker } from '../../support/brokers.js';
import { TappedTransport } from '../../support/tapped-transport.js';
import { until } from '../../support/waiting.js';

describeOnBroker('acknowledgements of one turn', (broker) => {
  let connection: Connection;
  let channel: Channel;
  let tap: TappedTransport;
  let queue: string;

  async function start(parameters: ConnectionParameters = {}): Promise<void> {
    tap = new TappedTransport();
    connection = await connect(broker.url, { ...parameters, transport: tap.transport });
    channel = await connection.openChannel({ confirm: true });
    queue = broker.unique('joined');
    await channel.queueDeclare(queue, { exclusive: true });
  }
  afterEach(() => connection.close());

  async function deliveries(count: number): Promise<Delivery[]> {
    const all: Delivery[] = [];
    await Promise.all(Array.from({ length: count }, (_none, index) => channel.publish('', queue, String(index + 1))));
    const consumer = await channel.basicConsume(queue, (delivery) => {
      all.push(delivery);
    });
    await until('all are there', () => all.length === count);
    await consumer.cancel();
    return all;
  }

  const acks = (): MethodInputs['basic.ack'][] =>
    tap.sent
      .filter(({ name }) => name === 'basic.ack')
      .map(({ bytes }) => readMethod(methodIds.BasicAck, new ByteReader(bytes, 11, bytes.length - 1)))
      .map(({ fields }) => fields as MethodInputs['basic.ack']);

  /** What the broker gives out again when the channel is closed. */
  async function leftOver(): Promise<string[]> {
    await channel.close();
    channel = await connection.openChannel();
    const left: string[] = [];
    for (;;) {
      const delivery = await channel.basicGet(queue, { noAck: true });
      if (!delivery) return left;
      left.push(delivery.text());
    }
  }

  test('are one', async () => {
    await start();
    for (const delivery of await deliveries(100)) expect(delivery.ack()).toBe('sent');
    expect(await leftOver()).toEqual([]);
    expect(acks()).toEqual([{ deliveryTag: 100, multiple: true }]);
  });

  test('are one up to a delivery that is not settled, and one each behind it', async () => {
    await start();
    for (const delivery of (await deliveries(10)).reverse()) if (delivery.text() !== '6') delivery.ack();
    expect(await leftOver()).toEqual(['6']);
    const sent = acks();
    expect(sent).toHaveLength(5);
    expect(sent).toContainEqual({ deliveryTag: 5, multiple: true });
  });

  test('stand in order with what else settles', async () => {
    await start();
    const all = await deliveries(12);
    all.slice(0, 3).forEach((delivery) => delivery.ack());
    all[3]?.nack({ requeue: false });
    all.slice(4, 6).forEach((delivery) => delivery.ack());
    all[7]?.ack({ multiple: true });
    all[8]?.reject({ requeue: true });
    all.slice(9, 11).forEach((delivery) => delivery.ack());
    expect(await leftOver()).toEqual(['9', '12']);
    expect(acks().map(({ deliveryTag }) => deliveryTag)).toEqual([3, 6, 8, 11]);
  });

  test('are before what is asked for next: a transaction’s commit and roll back, basic.recover', async () => {
    await start();
    channel = await connection.openChannel();
    await channel.txSelect();
    const publisher = await connection.openChannel({ confirm: true });
    for (let index = 1; index <= 6; index++) await publisher.publish('', queue, String(index));
    const all: Delivery[] = [];
    await channel.basicConsume(queue, (delivery) => {
      all.push(delivery);
    });
    await until('all are there', () => all.length === 6);
    all.slice(0, 2).forEach((delivery) => delivery.ack());
    await channel.txCommit();
    all.slice(2, 4).forEach((delivery) => delivery.ack());
    await channel.txRollback();
    all.slice(2, 3).forEach((delivery) => delivery.ack());
    await channel.txCommit();
    expect(await leftOver()).toEqual(['4', '5', '6']);

    for (let index = 1; index <= 3; index++) await publisher.publish('', queue, String(index));
    const again: Delivery[] = [];
    await channel.basicConsume(queue, (delivery) => {
      again.push(delivery);
    });
    await until('they are there', () => again.length === 3);
    again.slice(0, 2).forEach((delivery) => delivery.ack());
    await channel.basicRecover();
    await until('the third comes again', () => again.length === 4);
    expect(again.map((delivery) => delivery.text())).toEqual(['1', '2', '3', '3']);
  });

  test('are one each where joinAcks is false', async () => {
    await start({ joinAcks: false });
    for (const delivery of await deliveries(20)) delivery.ack();
    expect(await leftOver()).toEqual([]);
    expect(acks()).toHaveLength(20);
    expect(acks().some(({ multiple }) => multiple)).toBe(false);
  });
});
