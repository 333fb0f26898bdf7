/** Publishing: every outcome, and what comes out is what went in. */
import {
  ArgumentError,
  connect,
  NackError,
  NotSentError,
  TypedField,
  UnknownOutcomeError,
  UnroutableError,
  WrongStateError,
  type Channel,
  type Connection,
} from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { rejection, until } from '../../support/waiting.js';

describeOnBroker('publishing', (broker) => {
  let connection: Connection;
  let channel: Channel;
  let queue: string;
  const cuts = new Cuts();

  beforeEach(async () => {
    connection = await connect(broker.url, { transport: cuts.transport });
    channel = await connection.openChannel({ confirm: true });
    ({ queue } = await channel.queueDeclare('', { exclusive: true }));
  });

  afterEach(async () => {
    await connection.close();
  });

  test('thousands in flight are each confirmed, and arrive in order', async () => {
    const count = 3_000;
    await Promise.all(Array.from({ length: count }, (_none, index) => channel.publish('', queue, String(index))));
    const stream = channel.consume(queue, { noAck: true });
    let expected = 0;
    for await (const delivery of stream) {
      expect(delivery.body.toString()).toBe(String(expected));
      expected += 1;
      if (expected === count) break;
    }
    expect(channel.outstandingPublishes).toBe(0);
  });

  test('all properties and header types come back as they went', async () => {
    const headers = {
      text: 'ü✓',
      integer: 42,
      negative: -7,
      beyond32: 2 ** 40,
      beyond53: 2n ** 62n,
      fraction: 0.5,
      yes: true,
      nothing: null,
      time: new Date(1_700_000_000_000),
      bytes: Buffer.from([0, 1, 255]),
      list: [1, 'two', [3]],
      table: { deep: { deeper: 'x' } },
      decimal: new TypedField('decimal', 12_345, 2),
    };
    const properties = {
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      deliveryMode: 2,
      priority: 3,
      correlationId: 'c',
      replyTo: 'r',
      expiration: '60000',
      messageId: 'm',
      timestamp: new Date(1_600_000_000_000),
      type: 't',
      userId: 'guest',
      appId: 'a',
    };
    await channel.publish('', queue, '{}', { ...properties, headers });
    const got = await channel.basicGet(queue);
    expect(got?.properties).toEqual({ ...properties, headers });
    expect(got?.ack()).toBe('sent');
  });

  test.each([0, 1, 8_192, 8_193, 131_064, 131_065, 1_500_000])('a body of %i bytes arrives whole', async (size) => {
    const body = Buffer.alloc(size, 'abcdefg');
    await channel.publish('', queue, body);
    const got = await channel.basicGet(queue, { noAck: true });
    expect(got?.body.equals(body)).toBe(true);
  });

  test('mandatory and unroutable: only the right ones of many equal publishes are rejected', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 200 }, (_none, index) =>
        channel.publish(
          '',
          index % 3 === 0 ? broker.unique('missing') : queue,
          'same',
          { messageId: 'same' },
          {
            mandatory: true,
          },
        ),
      ),
    );
    for (const [index, result] of results.entries()) {
      expect(result.status).toBe(index % 3 === 0 ? 'rejected' : 'fulfilled');
      if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(UnroutableError);
    }
    const error = await rejection(channel.publish('', 'missing', 'x', undefined, { mandatory: true }));
    expect(error).toMatchObject({ replyCode: 312, exchange: '', routingKey: 'missing' });
  });

  test('a full queue that rejects publishes: NackError', async () => {
    const { queue: full } = await channel.queueDeclare('', {
      exclusive: true,
      arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
    });
    await channel.publish('', full, 'fits');
    expect(await rejection(channel.publish('', full, 'too many'))).toBeInstanceOf(NackError);
  });

  test('a returned message of basicPublish is an event', async () => {
    const returned: string[] = [];
    channel.on('return', (message) => returned.push(`${String(message.replyCode)} ${message.body.toString()}`));
    channel.basicPublish('', broker.unique('missing'), 'back', {}, { mandatory: true });
    await until('the return', () => returned.length === 1);
    expect(returned).toEqual(['312 back']);
  });

  test('fire and forget arrives too, and drained resolves', async () => {
    for (let index = 0; index < 500; index++) channel.basicPublish('', queue, 'x'.repeat(1000));
    await channel.drained();
    await until('all are there', async () => {
      const { messageCount } = await channel.queueDeclare(queue, { passive: true });
      return messageCount === 500;
    });
  });

  test('publish on a channel without confirms is a WrongStateError, until confirmSelect', async () => {
    const plain = await connection.openChannel();
    await expect(plain.publish('', queue, 'x')).rejects.toBeInstanceOf(WrongStateError);
    await plain.confirmSelect();
    await plain.publish('', queue, 'x');
  });

  test('an exchange that is missing closes one life of the channel: unknown outcome, then it works again', async () => {
    const error = await rejection(channel.publish(broker.unique('missing'), '', 'x'));
    expect(error).toBeInstanceOf(UnknownOutcomeError);
    expect(error.message).toContain('404');
    await channel.publish('', queue, 'x');
  });

  test('what cannot be encoded is an ArgumentError, nothing is sent, and the channel goes on', async () => {
    const { number } = channel;
    const wrong: (() => Promise<void>)[] = [
      () => channel.publish('', 'k'.repeat(256), 'x'),
      () => channel.publish('', queue, 5 as unknown as string),
      () => channel.publish('', queue, 'x', { headers: { bad: Symbol('no') as unknown as string } }),
      () => channel.publish('', queue, 'x', { headers: { big: 'x'.repeat(200_000) } }),
      () => channel.publish('', queue, 'x', { priority: 300 }),
      () => channel.publish('', queue, 'x', { contentTyp: 'x' } as never),
      () => channel.publish('', queue, 'x', {}, { mandatry: true } as never),
      () => channel.publish('', queue, 'x', { headers: { none: Number.NaN } }),
      () => channel.publish('', queue, 'x', { headers: { map: new Map() as never } }),
      () => channel.publish('', queue, 'x', null as never),
      () => channel.publish('', queue, 'x', { timestamp: new Date(Number.NaN) }),
    ];
    for (const call of wrong) expect(await rejection(call())).toBeInstanceOf(ArgumentError);
    await channel.publish('', queue, 'good');
    expect(channel.number).toBe(number);
    expect((await channel.queueDeclare(queue, { passive: true })).messageCount).toBe(1);
  });

  test('cut in flight: every publish has one outcome, and what was confirmed is there', async () => {
    const durable = broker.unique('cut');
    await channel.queueDeclare(durable);
    const outcomes = Array.from({ length: 2_000 }, (_none, index) =>
      channel.publish('', durable, String(index), { persistent: true }).then(
        () => 'confirmed',
        (error: unknown) => (error instanceof UnknownOutcomeError ? 'unknown' : `wrong: ${String(error)}`),
      ),
    );
    await Promise.race(outcomes);
    cuts.cutAll();
    const settled = await Promise.all(outcomes);
    expect(new Set(settled).size).toBeLessThanOrEqual(2);
    expect(settled.filter((outcome) => outcome.startsWith('wrong'))).toEqual([]);
    await until('the connection is back', () => connection.isOpen);
    const seen = new Set<string>();
    for await (const delivery of channel.consume(durable, { noAck: true, inactivityTimeout: 500 })) {
      seen.add(delivery.body.toString());
    }
    const missing = settled.flatMap((outcome, index) =>
      outcome === 'confirmed' && !seen.has(String(index)) ? [index] : [],
    );
    expect(missing).toEqual([]);
    await channel.queueDelete(durable);
  });

  test('during an outage publishes wait, in order, and are confirmed after it', async () => {
    const durable = broker.unique('waiting');
    await channel.queueDeclare(durable);
    const lost = new Promise((resolve) => connection.once('lost', resolve));
    cuts.cutAll();
    await lost;
    expect(connection.isOpen).toBe(false);
    await Promise.all(['a', 'b', 'c'].map((body) => channel.publish('', durable, body)));
    const bodies: string[] = [];
    for (let got = await channel.basicGet(durable); got; got = await channel.basicGet(durable)) {
      bodies.push(got.body.toString());
    }
    expect(bodies).toEqual(['a', 'b', 'c']);
    await channel.queueDelete(durable);
  });

  test('a timeout or a signal gives up: NotSentError for what waits', async () => {
    const lost = new Promise((resolve) => connection.once('lost', resolve));
    cuts.cutAll();
    await lost;
    const abort = new AbortController();
    const given = rejection(channel.publish('', queue, 'x', {}, { signal: abort.signal }));
    abort.abort();
    expect(await given).toBeInstanceOf(NotSentError);
    await expect(channel.publish('', queue, 'x', {}, { signal: AbortSignal.abort() })).rejects.toBeInstanceOf(
      NotSentError,
    );
  });
});

describeOnBroker('the publish buffer', (broker) => {
  test('is bounded in messages, bytes and time, and says so', async () => {
    const cuts = new Cuts();
    let isUp = true;
    const connection = await connect(broker.url, {
      transport: (endpoint, signal) => (isUp ? cuts.transport(endpoint, signal) : Promise.reject(new Error('down'))),
      publishBuffer: { messages: 2, bytes: 100, timeout: 150 },
      recovery: { initialDelay: 10, maxDelay: 20 },
    });
    const channel = await connection.openChannel({ confirm: true });
    const lost = new Promise((resolve) => connection.once('lost', resolve));
    isUp = false;
    cuts.cutAll();
    await lost;
    const first = rejection(channel.publish('', 'q', 'x'));
    const tooLarge = await rejection(channel.publish('', 'q', 'x'.repeat(100)));
    expect(tooLarge).toBeInstanceOf(NotSentError);
    expect(tooLarge.message).toContain('100 bytes');
    const second = rejection(channel.publish('', 'q', 'x'));
    const third = await rejection(channel.publish('', 'q', 'x'));
    expect(third).toBeInstanceOf(NotSentError);
    expect(third.message).toContain('2 messages');
    expect(() => channel.basicPublish('', 'q', 'x')).toThrow(NotSentError);
    expect((await first).message).toContain('150 ms');
    expect(await second).toBeInstanceOf(NotSentError);
    await connection.close();
    await expect(channel.publish('', 'q', 'x', {}, { timeout: 60_000 })).rejects.toBeInstanceOf(NotSentError);
  });
});
