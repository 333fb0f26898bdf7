/** Consumers of streams, which remember nothing of them: after a loss they go on where they were. */
import { connect, type Channel, type Connection, type Delivery } from 'leveret/amqp';
import { describeOnRabbitmq } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { until } from '../../support/waiting.js';

describeOnRabbitmq('a consumer of a stream', (broker) => {
  const cuts = new Cuts();
  let connection: Connection;
  let channel: Channel;
  let publisher: Channel;
  let other: Connection;
  let stream: string;
  let seen: string[];

  beforeEach(async () => {
    connection = await connect(broker.url, {
      transport: cuts.transport,
      recovery: { initialDelay: 5, maxDelay: 50 },
    });
    channel = await connection.openChannel();
    other = await connect(broker.url);
    publisher = await other.openChannel({ confirm: true });
    stream = broker.unique('stream');
    seen = [];
    await publisher.queueDeclare(stream, { arguments: { 'x-queue-type': 'stream' } });
  });

  afterEach(async () => {
    await connection.close();
    await publisher.queueDelete(stream);
    await other.close();
  });

  const publish = async (from: number, to: number): Promise<void> => {
    const numbers = Array.from({ length: to - from }, (_none, index) => String(from + index));
    await Promise.all(numbers.map((number) => publisher.publish('', stream, number)));
  };
  const loseConnection = async (): Promise<void> => {
    const recovered = new Promise((resolve) => connection.once('recovered', resolve));
    cuts.cutAll();
    await recovered;
  };

  test('goes on behind what it settled: nothing is skipped, only what was unsettled comes twice', async () => {
    await publish(0, 60);
    const held: Delivery[] = [];
    let wasLost = false;
    connection.on('lost', () => (wasLost = true));
    await channel.basicConsume(
      stream,
      (delivery) => {
        const body = delivery.text();
        seen.push(body);
        // From number 20 on, one life long, nothing is settled.
        if (Number(body) >= 20 && !wasLost) held.push(delivery);
        else delivery.ack();
      },
      { prefetch: 10, arguments: { 'x-stream-offset': 'first' } },
    );
    await until('some are held', () => held.length > 0);
    await loseConnection();
    await until('all came', () => seen.includes('59'));
    const numbers = (from: number, to: number): string[] =>
      Array.from({ length: to - from }, (_none, index) => String(from + index));
    expect(seen).toEqual([...numbers(0, 20 + held.length), ...numbers(20, 60)]);
  });

  test('that wanted only what is new gets what was published while it was away', async () => {
    await publish(0, 5);
    await channel.basicConsume(
      stream,
      (delivery) => {
        seen.push(delivery.text());
        delivery.ack();
      },
      { prefetch: 10, arguments: { 'x-stream-offset': 'next' } },
    );
    await publish(5, 7);
    await until('the new ones came', () => seen.length === 2);
    connection.once('lost', () => {
      void publish(7, 9);
    });
    await loseConnection();
    await until('the others came', () => seen.includes('8'));
    expect(seen).toEqual(['5', '6', '7', '8']);
  });
});
