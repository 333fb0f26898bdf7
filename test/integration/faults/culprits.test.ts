/** One consumer or declaration for which the broker closes the whole connection must not do so in every life. */
import { connect, type Channel, type Connection } from 'leveret/amqp';
import { describeOnBroker, describeOnRabbitmq } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { until } from '../../support/waiting.js';

const fast = { initialDelay: 5, maxDelay: 50 };

describeOnRabbitmq('a culprit', (broker) => {
  const cuts = new Cuts();
  let connection: Connection;
  let other: Connection;
  let foreign: Channel;

  beforeEach(async () => {
    connection = await connect(broker.url, { transport: cuts.transport, recovery: fast });
    other = await connect(broker.url);
    foreign = await other.openChannel();
  });

  afterEach(async () => {
    await connection.close();
    await other.close();
  });

  test('a consumer without acknowledgements whose queue became a stream (540): the others go on', async () => {
    const [good, bad] = [broker.unique('good'), broker.unique('bad')];
    await foreign.queueDeclare(good);
    await foreign.queueDeclare(bad);
    const channel = await connection.openChannel({ confirm: true });
    const seen: string[] = [];
    const guilty = await channel.basicConsume(bad, () => undefined, { noAck: true, prefetch: 10 });
    for (const tag of ['first', 'second']) {
      await channel.basicConsume(
        good,
        (delivery) => {
          seen.push(delivery.consumerTag);
          delivery.ack();
        },
        { consumerTag: tag },
      );
    }
    const events: string[] = [];
    connection.on('lost', () => events.push('lost')).on('recovered', () => events.push('recovered'));
    await foreign.queueDelete(bad);
    await foreign.queueDeclare(bad, { arguments: { 'x-queue-type': 'stream' } });
    await until('it was found out', () => events.includes('recovered'));
    expect(events).toEqual(['lost', 'recovered']);
    expect(connection.broken).toMatchObject([
      { kind: 'consumer', name: guilty.consumerTag, error: { replyCode: 540, name: 'ConnectionClosedByBrokerError' } },
    ]);
    for (let count = 0; count < 10; count++) await channel.publish('', good, 'x');
    await until('the others consume', () => new Set(seen).size === 2);
    // A later loss is no reason to fall for it again.
    const { epoch } = connection;
    cuts.cutAll();
    await until('the next life', () => connection.isOpen && connection.epoch > epoch);
    expect(connection.epoch).toBe(epoch + 1);
    expect(connection.broken).toHaveLength(1);
    await foreign.queueDelete(bad);
    await foreign.queueDeclare(bad);
    const healed = new Promise((resolve) => connection.once('healed', resolve));
    expect(await connection.rebuild()).toMatchObject({ restored: { channels: 1, consumers: 3 }, broken: [] });
    expect(await healed).toEqual({ kind: 'consumer', name: guilty.consumerTag });
    await foreign.queueDelete(bad);
    await foreign.queueDelete(good);
  });

  test('a new consumer for whom the broker closes the connection rejects, and is not tried again', async () => {
    const queue = broker.unique('stream');
    await foreign.queueDeclare(queue, { arguments: { 'x-queue-type': 'stream' } });
    const channel = await connection.openChannel();
    await expect(channel.basicConsume(queue, () => undefined, { noAck: true, prefetch: 10 })).rejects.toThrow('540');
    await until('it is back', () => connection.isOpen && channel.isOpen);
    expect(connection.epoch).toBe(2);
    expect(channel.consumers).toEqual([]);
    await foreign.queueDelete(queue);
  });
});

describeOnBroker('a consumer that the broker refuses', (broker) => {
  test('costs its neighbours nothing while it is tried again, and heals', async () => {
    const connection = await connect(broker.url, { recovery: fast });
    const other = await connect(broker.url);
    const foreign = await other.openChannel();
    const [queue, wanted] = [broker.unique('neighbour'), broker.unique('wanted')];
    for (const name of [queue, wanted]) await foreign.queueDeclare(name);
    const channel = await connection.openChannel({ confirm: true });
    const events: string[] = [];
    channel.on('lost', ({ cause }) => events.push(cause.message));
    connection.on('healed', ({ kind, name }) => events.push(`healed ${kind} ${name}`));
    let deliveries = 0;
    await channel.basicConsume(queue, () => (deliveries += 1));
    const seen: string[] = [];
    const refused = await channel.basicConsume(wanted, (delivery) => {
      seen.push(delivery.body.toString());
      delivery.ack();
    });
    await channel.publish('', queue, 'unsettled');
    await until('it is delivered', () => deliveries === 1);
    await foreign.queueDelete(wanted);
    await foreign.queueDeclare(wanted);
    const usurper = await foreign.basicConsume(wanted, () => undefined, { exclusive: true });
    await until('it is refused', () => connection.broken[0]?.error.replyCode === 403);
    const [first] = connection.broken;
    await until('it was tried again', () => connection.broken[0]?.error !== first?.error);
    await usurper.cancel();
    await until('it consumes', () => connection.broken.length === 0);
    await channel.publish('', wanted, 'for it');
    await until('it gets messages', () => seen.includes('for it'));
    expect(events).toEqual([`healed consumer ${refused.consumerTag}`]);
    expect(deliveries).toBe(1);
    for (const name of [queue, wanted]) await foreign.queueDelete(name);
    await connection.close();
    await other.close();
  });
});
