/** Publishes whose outcome a loss made unknown, sent again by choice: `openChannel({ replayUnknown: true })`. */
import {
  ArgumentError,
  connect,
  UnknownOutcomeError,
  type Channel,
  type Connection,
  type ConnectionParameters,
} from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { politeScript, ScriptedPeer } from '../../support/scripted-peer.js';
import { rejection, until } from '../../support/waiting.js';

const fast = { initialDelay: 5, maxDelay: 50 };
const numbers = (count: number): string[] => Array.from({ length: count }, (_none, index) => String(index));

describeOnBroker('publishes that are sent again', (broker) => {
  const cuts = new Cuts();
  let connection: Connection;
  let channel: Channel;
  let queue: string;

  async function open(parameters: ConnectionParameters = {}): Promise<void> {
    connection = await connect(broker.url, { transport: cuts.transport, recovery: fast, ...parameters });
    channel = await connection.openChannel({ confirm: true, replayUnknown: true });
    queue = broker.unique('replay');
    await channel.queueDeclare(queue);
  }

  async function drain(): Promise<{ body: string; isReplayed: boolean }[]> {
    const reader = await connect(broker.url);
    const readerChannel = await reader.openChannel();
    const messages: { body: string; isReplayed: boolean }[] = [];
    for (;;) {
      const message = await readerChannel.basicGet(queue, { noAck: true });
      if (!message) break;
      messages.push({ body: message.text(), isReplayed: message.headers['x-leveret-replayed'] === true });
    }
    await readerChannel.queueDelete(queue);
    await reader.close();
    return messages;
  }

  afterEach(async () => {
    await connection.close();
  });

  test('resolve after the loss: all are there, in order, and those that may be there twice are marked', async () => {
    await open();
    const bodies = numbers(300);
    const outcomes = Promise.all(bodies.map((body) => channel.publish('', queue, body, { headers: { kind: 'x' } })));
    setImmediate(() => cuts.cutAll());
    const lost = new Promise((resolve) => connection.once('lost', resolve));
    await lost;
    const later = channel.publish('', queue, '300');
    await outcomes;
    await later;
    await channel.waitForConfirms();
    const messages = await drain();
    const firsts = [...new Set(messages.map(({ body }) => body))];
    expect(firsts).toEqual([...bodies, '300']);
    const replayed = messages.filter(({ isReplayed }) => isReplayed).map(({ body }) => body);
    expect(replayed).toEqual(bodies.slice(bodies.length - replayed.length));
    expect(replayed.length).toBeGreaterThan(0);
  });

  test('waitForConfirms waits for those that are sent again', async () => {
    await open();
    for (const body of numbers(50)) channel.basicPublish('', queue, body);
    const confirmed = channel.waitForConfirms();
    setImmediate(() => cuts.cutAll());
    await confirmed;
    expect(channel.outstandingPublishes).toBe(0);
    expect(new Set((await drain()).map(({ body }) => body)).size).toBe(50);
  });

  test('as many as the buffer has room for; the others are unknown', async () => {
    await open({ publishBuffer: { messages: 10 } });
    const outcomes = Promise.allSettled(numbers(30).map((body) => channel.publish('', queue, body)));
    cuts.cutAll();
    const results = await outcomes;
    expect(results.map(({ status }) => status)).toEqual([
      ...numbers(10).map(() => 'fulfilled'),
      ...numbers(20).map(() => 'rejected'),
    ]);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(UnknownOutcomeError);
    await drain();
  });

  test('that wait for longer than they may are unknown, not unsent', async () => {
    await open({ recovery: { initialDelay: 60_000, maxDelay: 60_000 }, publishBuffer: { timeout: 50 } });
    const outcome = rejection(channel.publish('', queue, 'x'));
    await Promise.resolve();
    cuts.cutAll();
    expect(await outcome).toBeInstanceOf(UnknownOutcomeError);
    await drain();
  });

  test('that are given up are not sent again', async () => {
    await open();
    const controller = new AbortController();
    const outcome = rejection(channel.publish('', queue, 'x', {}, { signal: controller.signal }));
    await Promise.resolve();
    controller.abort();
    expect(await outcome).toBeInstanceOf(UnknownOutcomeError);
    cuts.cutAll();
    await until('the next life', () => connection.epoch === 2);
    await channel.publish('', queue, 'y');
    expect((await drain()).filter(({ isReplayed }) => isReplayed)).toEqual([]);
  });

  test('are none where the broker closed the channel because of a publish', async () => {
    await open();
    channel.on('lost', () => undefined);
    const missing = broker.unique('missing');
    const outcomes = await Promise.allSettled([
      channel.publish(missing, '', 'x'),
      channel.publish('', queue, 'behind it'),
    ]);
    for (const result of outcomes) expect(result).toMatchObject({ reason: { name: 'UnknownOutcomeError' } });
    await channel.publish('', queue, 'after');
    expect(await drain()).toEqual([{ body: 'after', isReplayed: false }]);
  });

  test('close() and a connection that is given up leave them unknown', async () => {
    await open({ recovery: { initialDelay: 60_000, maxDelay: 60_000 } });
    const outcome = rejection(channel.publish('', queue, 'x'));
    await Promise.resolve();
    cuts.cutAll();
    await until('lost', () => !connection.isOpen);
    await connection.close();
    expect(await outcome).toBeInstanceOf(UnknownOutcomeError);
    await drain();
  });

  test('need confirms', async () => {
    await open();
    const error = await rejection(connection.openChannel({ replayUnknown: true }));
    expect(error).toBeInstanceOf(ArgumentError);
    await drain();
  });
});

test('a message at which the connection is lost each time is sent four times in all', async () => {
  const { transport, peers } = ScriptedPeer.factory((peer, channel, method) => {
    politeScript(peer, channel, method);
    if (method.name === 'basic.publish') peer.hangUp();
  });
  const connection = await connect('amqp://peer', { transport, recovery: { initialDelay: 1, maxDelay: 2 } });
  const channel = await connection.openChannel({ confirm: true, replayUnknown: true });
  const error = await rejection(channel.publish('', 'q', 'poison'));
  expect(error).toBeInstanceOf(UnknownOutcomeError);
  const sent = peers.flatMap(({ heard }) => heard).filter(({ name }) => name === 'basic.publish');
  expect(sent).toHaveLength(4);
  await connection.close();
});
