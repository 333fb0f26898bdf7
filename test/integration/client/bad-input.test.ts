/**
 * Bad input costs a typed error and nothing else: no byte is sent, the channel lives, nothing is remembered of it.
 * The table of method, fault and expected error is in bad-input-cases.ts.
 */
import {
  ArgumentError,
  connect,
  connectTcp,
  ParametersError,
  type Channel,
  type Connection,
  type Delivery,
  type FieldTable,
} from 'leveret/amqp';
import { describeOnBroker, type TestBroker } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { rejection, until } from '../../support/waiting.js';
import { rows, type Row, type Scene } from './bad-input-cases.js';

/** Bytes that the connection under test sent. */
let sentBytes = 0;

async function connectCounting(url: string): Promise<Connection> {
  return connect(url, {
    heartbeat: 0,
    transport: async (endpoint, signal) => {
      const transport = await connectTcp(endpoint, signal);
      const write = transport.write.bind(transport);
      transport.write = (chunks) => {
        for (const { length } of chunks) sentBytes += length;
        return write(chunks);
      };
      return transport;
    },
  });
}

async function get(channel: Scene['channel'], queue: string, noAck = false): Promise<Delivery> {
  const delivery = await channel.basicGet(queue, { noAck });
  if (!delivery) throw new Error('the message that was published is not there');
  return delivery;
}

async function makeScene(broker: TestBroker): Promise<{ scene: Scene; others: Connection[] }> {
  const connection = await connectCounting(broker.url);
  const channel = await connection.openChannel({ confirm: true });
  const { queue } = await channel.queueDeclare('', { exclusive: true });
  const idle = (await channel.queueDeclare('', { exclusive: true })).queue;
  const consumer = await channel.basicConsume(idle, () => undefined, { consumerTag: 'taken' });
  for (const text of ['settled', 'no ack', 'open', 'a', 'b', 'c', 'd', 'e', 'f']) {
    await channel.publish('', queue, text === 'open' ? Buffer.from('not JSON \xff', 'latin1') : text);
  }
  const settledDelivery = await get(channel, queue);
  settledDelivery.ack();
  const noAckDelivery = await get(channel, queue, true);
  const delivery = await get(channel, queue);

  const plainChannel = await connection.openChannel();
  let foreignTag = 0;
  for (let count = 0; count < 6; count++) foreignTag = (await get(plainChannel, queue, true)).deliveryTag;
  const transactionalChannel = await connection.openChannel();
  await transactionalChannel.txSelect();
  const closedChannel = await connection.openChannel({ confirm: true });
  const closedConsumer = await closedChannel.basicConsume(idle, () => undefined);
  await closedChannel.close();
  const closedPlainChannel = await connection.openChannel();
  await closedPlainChannel.close();
  const endedStream = channel.consume(idle);
  await endedStream.cancel();

  const closedConnection = await connect(broker.url);
  const orphanedChannel = await closedConnection.openChannel({ confirm: true });
  const orphanedPlainChannel = await closedConnection.openChannel();
  await closedConnection.close();

  const cuts = new Cuts();
  const recovered = await connect(broker.url, { transport: cuts.transport, recovery: { initialDelay: 10 } });
  const recoveredChannel = await recovered.openChannel({ confirm: true });
  const kept = (await recoveredChannel.queueDeclare('', { exclusive: true })).queue;
  const staleDeliveries: Delivery[] = [];
  for (let count = 0; count < 3; count++) {
    await recoveredChannel.publish('', kept, 'stale');
    staleDeliveries.push(await get(recoveredChannel, kept));
  }
  const isBack = new Promise((resolve) => recovered.once('recovered', resolve));
  cuts.cutAll();
  await isBack;

  const scene: Scene = {
    ...{ url: broker.url, connection, channel, queue, plainChannel, transactionalChannel, consumer },
    ...{ delivery, settledDelivery, noAckDelivery, staleDeliveries, recoveredChannel, foreignTag },
    ...{ closedPlainChannel, orphanedPlainChannel },
    ...{ closedChannel, closedConsumer, closedConnection, orphanedChannel, endedStream },
    stream: () => channel.consume(idle),
  };
  return { scene, others: [recovered] };
}

/** What was thrown or rejected with, or else what was given. */
async function outcomeOf({ call }: Row, scene: Scene): Promise<{ error: unknown } | { gives: unknown }> {
  try {
    return { gives: await call(scene) };
  } catch (error) {
    return { error };
  }
}

const nextTurns = async (): Promise<void> => {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** Class, and names as users read them: `Connection.[asyncDispose]`. */
function methodsOf(className: string, instance: object): string[] {
  const names = new Set<string>();
  for (let level = instance; level !== Object.prototype; level = Object.getPrototypeOf(level) as object) {
    for (const name of Reflect.ownKeys(level)) {
      const isMethod = typeof Object.getOwnPropertyDescriptor(level, name)?.value === 'function';
      if (!isMethod || name === 'constructor' || level === instance) continue;
      names.add(typeof name === 'symbol' ? `[${(name.description ?? '').split('.').at(-1) ?? ''}]` : name);
    }
  }
  return [...names].map((name) => `${className}.${name}`);
}

/** For the layers within, not for users: marked `@internal` or `protected`. */
const inner = [
  'Channel.emit',
  'Channel.call',
  'Channel.currentName',
  'Connection.emit',
  'Connection.whenOpen',
  'Connection.endedBy',
  'Consumer.followQueue',
  'DeliveryStream.fail',
];

describeOnBroker('bad input', (broker) => {
  let scene: Scene;
  let others: Connection[] = [];
  let published = 0;
  const losses: unknown[] = [];

  beforeAll(async () => {
    ({ scene, others } = await makeScene(broker));
    scene.channel.on('lost', ({ cause }) => losses.push(cause));
    published = 0;
  });

  afterAll(async () => {
    await Promise.all([scene.connection, ...others].map((connection) => connection.close()));
  });

  const remembered = (): unknown => {
    const { channel, connection } = scene;
    const { exchanges, queues, bindings } = connection.topology;
    return {
      ...{ epoch: connection.epoch, number: channel.number, consumers: channel.consumers.length },
      ...{ unsettled: channel.unsettledDeliveries, outstanding: channel.outstandingPublishes },
      ...{ exchanges: exchanges.length, queues: queues.length, bindings: bindings.length },
    };
  };

  test.each(rows.map((row) => [row.method, row.fault, row] as const))('%s: %s', async (_method, _fault, row) => {
    const before = remembered();
    await nextTurns();
    const sentBefore = sentBytes;
    const outcome = await outcomeOf(row, scene);
    await nextTurns();

    if (typeof row.expected === 'function') {
      if (!('error' in outcome)) throw new Error(`gave ${String(outcome.gives)}, where an error was expected`);
      expect(outcome.error).toBeInstanceOf(row.expected);
      const error = outcome.error as Error;
      expect(error.message.length).toBeLessThan(2_000);
      const told = error instanceof ArgumentError ? error.argument : error.message;
      if (row.naming !== undefined) expect(told).toContain(row.naming);
      if (error instanceof ParametersError) expect(error.faults.length).toBeGreaterThan(0);
    } else {
      expect(outcome).toEqual(row.expected);
    }
    // Nothing was sent, nothing is remembered, and the very same channel works.
    expect(sentBytes).toBe(sentBefore);
    expect(remembered()).toEqual(before);
    await scene.channel.publish('', scene.queue, 'alive', undefined, { mandatory: true });
    published += 1;
    expect(remembered()).toEqual(before);
    expect(losses).toEqual([]);
  });

  test('left the queue with exactly what was published on purpose, and everything else as it was', async () => {
    const { channel, queue, connection } = scene;
    expect(await channel.queueDeclare(queue, { passive: true })).toMatchObject({
      messageCount: published,
      consumerCount: 0,
    });
    expect(connection.channels).toContain(channel);
    expect(await channel.queueExists('bad')).toBe(false);
    expect(scene.delivery.ack()).toBe('sent');
    await until('all is settled', () => channel.unsettledDeliveries === 0);
  });

  test('every method of the client is in the table', () => {
    const { connection, channel, consumer, delivery, endedStream } = scene;
    const methods = [
      ...methodsOf('Connection', connection),
      ...methodsOf('Channel', channel),
      ...methodsOf('Consumer', consumer),
      ...methodsOf('Delivery', delivery),
      ...methodsOf('DeliveryStream', endedStream),
      ...['connect', 'connectShared'],
    ];
    const covered = new Set(rows.map(({ method }) => method));
    expect(methods.filter((method) => !covered.has(method) && !inner.includes(method))).toEqual([]);
    // And nothing in it is of the past.
    expect([...covered, ...inner].filter((method) => !methods.includes(method))).toEqual([]);
  });
});

describeOnBroker('what a user changes after a call', (broker) => {
  const cuts = new Cuts();
  let connection: Connection;
  let channel: Channel;
  let isUp = true;

  beforeEach(async () => {
    isUp = true;
    connection = await connect(broker.url, {
      transport: (endpoint, signal) => (isUp ? cuts.transport(endpoint, signal) : Promise.reject(new Error('down'))),
      recovery: { initialDelay: 5, maxDelay: 20 },
    });
    channel = await connection.openChannel({ confirm: true });
  });

  afterEach(async () => {
    await connection.close();
  });

  async function goDown(): Promise<void> {
    const lost = new Promise((resolve) => connection.once('lost', resolve));
    isUp = false;
    cuts.cutAll();
    await lost;
  }

  test('does not change what is declared again after a loss', async () => {
    const queueArguments = { 'x-max-length': 5, 'x-dead-letter-exchange': 'dead' };
    const bindingArguments: FieldTable = { 'x-match': 'all', list: [{ kind: 'invoice' }] };
    const { queue } = await channel.queueDeclare('', { exclusive: true, arguments: queueArguments });
    const named = broker.unique('kept');
    await channel.queueDeclare(named, { arguments: queueArguments });
    await channel.queueBind(named, 'amq.headers', '', bindingArguments);
    queueArguments['x-max-length'] = -1;
    bindingArguments['x-match'] = 'nonsense';
    (bindingArguments['list'] as { kind: string }[])[0] = { kind: 'other' };
    const recovered = new Promise<{ broken: readonly unknown[] }>((resolve) => connection.once('recovered', resolve));
    cuts.cutAll();
    expect((await recovered).broken).toEqual([]);
    expect(connection.topology.queue(named)?.arguments).toEqual({
      'x-max-length': 5,
      'x-dead-letter-exchange': 'dead',
    });
    expect(connection.topology.bindings.map((binding) => binding.arguments)).toEqual([
      { 'x-match': 'all', list: [{ kind: 'invoice' }] },
    ]);
    expect(queue).not.toBe('');
    await channel.queueDelete(named);
  });

  test('does not change a message that waits to be sent', async () => {
    const queue = broker.unique('waiting');
    await channel.queueDeclare(queue);
    await goDown();
    const body = Buffer.from('as it was');
    const headers: FieldTable = { order: 1, lines: [{ sku: 'a' }], raw: Buffer.from([1]) };
    const properties = { headers, timestamp: new Date(1_000_000), correlationId: 'c' };
    const published = channel.publish('', queue, body, properties);
    body.fill(0);
    headers['order'] = Symbol('no value') as never;
    (headers['lines'] as object[])[0] = { sku: 'b' };
    (headers['raw'] as Buffer)[0] = 9;
    properties.timestamp.setTime(Number.NaN);
    properties.correlationId = 'd';
    isUp = true;
    await published;
    const got = await channel.basicGet(queue, { noAck: true });
    expect(got?.text()).toBe('as it was');
    expect(got?.properties).toEqual({
      headers: { order: 1, lines: [{ sku: 'a' }], raw: Buffer.from([1]) },
      timestamp: new Date(1_000_000),
      correlationId: 'c',
    });
    await channel.queueDelete(queue);
  });

  test('and what cannot be sent at all is refused at once, not when the connection is back', async () => {
    await goDown();
    const bad = { headers: { list: [1, Number.NaN] } };
    expect(await rejection(channel.publish('', 'q', 'x', bad))).toMatchObject({ argument: 'headers.list[1]' });
    expect(() => channel.basicPublish('', 'q', 'x', bad)).toThrow(ArgumentError);
    expect(() => channel.basicPublish('', 'k'.repeat(256), 'x')).toThrow(ArgumentError);
    const declared = channel.queueDeclare('q', { arguments: { bad: Symbol('no') as never } });
    expect(await rejection(declared)).toMatchObject({ argument: 'arguments.bad' });
    expect(connection.isOpen).toBe(false);
  });

  test('a signal of another realm, or a polyfill, is a signal', async () => {
    await goDown();
    const listeners: (() => void)[] = [];
    const signal = {
      aborted: false,
      reason: new Error('the user left'),
      addEventListener: (_name: string, listener: () => void) => listeners.push(listener),
      removeEventListener: () => undefined,
    };
    const published = rejection(channel.publish('', 'q', 'x', {}, { signal: signal as never }));
    for (const listener of listeners) listener();
    expect((await published).cause).toBe(signal.reason);
  });
});
