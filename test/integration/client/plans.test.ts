/** `connection.plan` and `connection.apply`: what declarations would change on the broker, and doing it. */
import {
  ArgumentError,
  ChannelClosedByBrokerError,
  connect,
  connectTcp,
  type Plan,
  PlanConflictError,
  type Connection,
  type Declarations,
} from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { rejection } from '../../support/waiting.js';

/** A frame's type, channel and size, the method's number, a reserved short, the name's length. */
const beforeName = 7 + 4 + 2 + 1;

describeOnBroker('declarations as a plan', (broker) => {
  let connection: Connection;
  let other: Connection;
  let names: { exchange: string; sink: string; queue: string };

  beforeEach(async () => {
    connection = await connect(broker.url);
    other = await connect(broker.url);
    names = { exchange: broker.unique('plan-x'), sink: broker.unique('plan-sink'), queue: broker.unique('plan-q') };
  });
  afterEach(async () => {
    const channel = await other.openChannel();
    await channel.queueDelete(names.queue);
    for (const exchange of [names.exchange, names.sink]) await channel.exchangeDelete(exchange);
    await Promise.all([connection.close(), other.close()]);
  });

  function shop(): Declarations {
    const { exchange, sink, queue } = names;
    return {
      exchanges: [
        { name: exchange, type: 'topic' },
        { name: sink, type: 'fanout', durable: false },
      ],
      queues: [{ name: queue, arguments: { 'x-message-ttl': 60_000, 'x-overflow': 'reject-publish' } }],
      bindings: [
        { source: exchange, destination: queue, routingKey: 'order.*' },
        { source: exchange, destination: sink, kind: 'exchange', routingKey: '#' },
      ],
    };
  }

  function states(plan: Plan): string[] {
    return plan.entities.map(({ kind, state }) => `${kind} ${state}`);
  }

  test('says what is missing, and makes nothing', async () => {
    const plan = await connection.plan(shop());
    expect(states(plan)).toEqual([
      ...['exchange missing', 'exchange missing', 'queue missing', 'binding missing', 'binding missing'],
    ]);
    const channel = await connection.openChannel();
    expect(await channel.queueExists(names.queue)).toBe(false);
    expect(await channel.exchangeExists(names.exchange)).toBe(false);
    expect(connection.topology.isEmpty).toBe(true);
  });

  test('applied, it is there, with its bindings, and recorded; applying it again changes nothing', async () => {
    const before = await connection.apply(shop());
    expect(before.missing).toHaveLength(5);
    expect(connection.topology).toMatchObject({
      exchanges: { length: 2 },
      queues: { length: 1 },
      bindings: { length: 2 },
    });
    const channel = await connection.openChannel({ confirm: true });
    await channel.publish(names.exchange, 'order.made', 'routed', {}, { mandatory: true });
    expect(states(await connection.apply(shop()))).toEqual([
      ...['exchange equal', 'exchange equal', 'queue equal', 'binding unknown', 'binding unknown'],
    ]);
    expect((await channel.basicGet(names.queue, { noAck: true }))?.text()).toBe('routed');
    // Also as the topology says it, which is what is asked for where nothing is given.
    expect(states(await connection.plan())).toEqual(states(await connection.plan(connection.topology)));
  });

  test('tells what others took away', async () => {
    await connection.apply(shop());
    const channel = await other.openChannel();
    await channel.queueDelete(names.queue);
    const drift = await connection.plan();
    expect(drift.missing.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      `queue ${names.queue}`,
      `binding ${names.exchange} -> ${names.queue} (order.*)`,
    ]);
    await connection.apply(connection.topology);
    expect((await connection.plan()).missing).toEqual([]);
  });

  test.each(['classic', 'quorum'])(
    'a %s queue that is deleted while it is asked for is not made anew',
    async (type) => {
      const name = broker.unique('plan-gone');
      const queue = { name, arguments: { 'x-queue-type': type } };
      const channel = await other.openChannel();
      await channel.queueDeclare(name, { arguments: queue.arguments });
      // The two questions go out in one write: here the queue is deleted between them.
      const asking = await connect(broker.url, {
        transport: async (endpoint, signal) => {
          const transport = await connectTcp(endpoint, signal);
          const write = transport.write.bind(transport);
          transport.write = (chunks) => {
            const bytes = Buffer.concat(chunks);
            const second = bytes.indexOf(name, bytes.indexOf(name) + 1) - beforeName;
            if (second < 0) return write(chunks);
            write([bytes.subarray(0, second)]);
            void channel.queueDelete(name).then(() => write([bytes.subarray(second)]));
            return true;
          };
          return transport;
        },
      });
      expect(states(await asking.plan({ queues: [queue] }))).toEqual(['queue missing']);
      await asking.close();
      expect(states(await connection.plan({ queues: [queue] }))).toEqual(['queue missing']);
    },
  );

  test('names every difference with both values, and declares nothing then', async () => {
    const { exchange, sink, queue } = names;
    const channel = await other.openChannel();
    await channel.exchangeDeclare(exchange, 'direct', { durable: false, autoDelete: true });
    await channel.queueDeclare(queue, {
      arguments: { 'x-message-ttl': 1_000, 'x-max-length': 5, 'x-dead-letter-exchange': 'elsewhere' },
    });
    const plan = await connection.plan(shop());
    expect(states(plan)).toEqual([
      ...['exchange conflict', 'exchange missing', 'queue conflict', 'binding unknown', 'binding missing'],
    ]);
    const [ofExchange, ofQueue] = plan.conflicts;
    expect(ofExchange?.isComplete).toBe(true);
    expect(byArgument(ofExchange?.differences)).toEqual({
      type: ['topic', 'direct'],
      durable: [true, false],
      autoDelete: [false, true],
    });
    expect(ofQueue?.isComplete).toBe(true);
    expect(byArgument(ofQueue?.differences)).toEqual({
      'x-message-ttl': [60_000, 1_000],
      'x-max-length': [undefined, 5],
      'x-dead-letter-exchange': [undefined, 'elsewhere'],
      'x-overflow': ['reject-publish', undefined],
    });

    const refusal = await rejection(connection.apply(shop()));
    expect(refusal).toBeInstanceOf(PlanConflictError);
    for (const text of [exchange, queue, 'x-max-length: declared none, on the broker 5']) {
      expect(refusal.message).toContain(text);
    }
    expect(await channel.exchangeExists(sink)).toBe(false);
    expect(connection.topology.isEmpty).toBe(true);
  });

  test('asks on channels of its own: those in use feel nothing', async () => {
    const channel = await connection.openChannel();
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    const heard: string[] = [];
    await channel.basicConsume(queue, (delivery) => heard.push(delivery.text()), { noAck: true });
    channel.on('lost', () => heard.push('lost'));
    await connection.plan(shop());
    channel.basicPublish('', queue, 'still here');
    await channel.queueDeclare(queue, { passive: true, exclusive: true });
    // Its own server-named queue is no drift, and nothing anybody could declare.
    expect(states(await connection.plan())).toEqual(['queue equal']);
    expect({ heard, channels: connection.channels.length, epoch: connection.epoch }).toEqual({
      heard: ['still here'],
      channels: 1,
      epoch: 1,
    });
  });

  test('a type that no broker knows is a conflict like any other, and costs nothing', async () => {
    const { exchange } = names;
    const channel = await other.openChannel();
    await channel.exchangeDeclare(exchange, 'topic', { durable: false });
    const plan = await connection.plan({ exchanges: [{ name: exchange, type: 'x-of-a-plugin' }] });
    expect(plan.conflicts[0]).toMatchObject({ isComplete: true, error: undefined });
    expect(byArgument(plan.conflicts[0]?.differences)).toEqual({
      type: ['x-of-a-plugin', 'topic'],
      durable: [true, false],
    });
    expect(connection.epoch).toBe(1);
  });

  test('says what the broker would not: a queue that is exclusive to another connection', async () => {
    const channel = await other.openChannel();
    await channel.queueDeclare(names.queue, { exclusive: true });
    const [queue] = (await connection.plan({ queues: [{ name: names.queue }] })).entities;
    expect(queue).toMatchObject({ state: 'unknown', error: { replyCode: 405 } });
    expect(queue?.error).toBeInstanceOf(ChannelClosedByBrokerError);
  });

  test.each<[string, unknown, string]>([
    ['no object', 5, 'declarations'],
    ['a list', [], 'declarations'],
    ['an unknown section', { policies: [] }, 'policies'],
    ['a section that is no list', { queues: { name: 'q' } }, 'queues'],
    ['an entry that is no object', { queues: ['q'] }, 'queues[0]'],
    ['a missing name', { exchanges: [{ type: 'topic' }] }, 'exchanges[0].name'],
    ['an unknown option', { queues: [{ name: 'a' }, { name: 'b', durabel: true }] }, 'queues[1].durabel'],
    ['a wrong type', { queues: [{ name: 'a', durable: 'yes' }] }, 'queues[0].durable'],
    ['a queue without a name', { queues: [{ name: '' }] }, 'queues[0].name'],
    ['a name that is too long', { queues: [{ name: 'q'.repeat(256) }] }, 'queues[0].name'],
    ['an unknown kind', { bindings: [{ source: 'a', destination: 'b', kind: 'topic' }] }, 'bindings[0].kind'],
  ])('refuses %s, naming the place', async (_what, declarations, place) => {
    for (const done of [
      connection.plan(declarations as Declarations),
      connection.apply(declarations as Declarations),
    ]) {
      const error = await rejection(done);
      expect(error).toBeInstanceOf(ArgumentError);
      expect((error as ArgumentError).argument).toContain(place);
    }
  });
});

function byArgument(
  differences: readonly { argument: string; declared: unknown; onBroker: unknown }[] = [],
): Record<string, unknown> {
  return Object.fromEntries(differences.map(({ argument, declared, onBroker }) => [argument, [declared, onBroker]]));
}
