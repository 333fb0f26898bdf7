/** `broker.advance`: what takes its time in the broker is there at once, as if that time had passed. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { connect, type Channel, type Connection } from 'leveret/amqp';
import { EmbeddedBroker } from 'leveret/broker';
import { until } from '../../support/waiting.js';

const hour = 3_600_000;
const untouched = ['nextTick', 'setImmediate', 'queueMicrotask'] as const;
/** All that Jest would fake but the date. */
const allTimers = [
  ...untouched,
  'clearImmediate',
  'hrtime',
  'performance',
  'setInterval',
  'clearInterval',
  'setTimeout',
  'clearTimeout',
] as const;

describe('the time of the embedded broker', () => {
  let broker: EmbeddedBroker;
  let connection: Connection;
  let channel: Channel;

  beforeEach(async () => {
    broker = await EmbeddedBroker.start();
    connection = await connect({ transport: broker.memory() });
    channel = await connection.openChannel({ confirm: true });
  });

  afterEach(async () => {
    jest.useRealTimers();
    jest.restoreAllMocks();
    await connection.close();
    await broker.stop();
  });

  const count = async (queue: string): Promise<number> =>
    (await channel.queueDeclare(queue, { passive: true })).messageCount;

  test('messages go through three queues that hold them for hours, and x-death says when', async () => {
    const start = Date.now();
    await channel.queueDeclare('end');
    for (const [queue, next] of [
      ['third', 'end'],
      ['second', 'third'],
      ['first', 'second'],
    ] as const) {
      const dead = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': next };
      await channel.queueDeclare(queue, { arguments: { 'x-message-ttl': hour, ...dead } });
    }
    await channel.publish('', 'first', 'one');
    broker.advance(2 * hour);
    expect(await Promise.all([count('second'), count('third'), count('end')])).toEqual([0, 1, 0]);
    broker.advance(hour);
    const delivery = await channel.basicGet('end');
    const deaths = delivery?.properties.headers?.['x-death'] as { queue: string; time: Date }[];
    expect(deaths.map(({ queue }) => queue)).toEqual(['third', 'second', 'first']);
    const hours = deaths.map(({ time }) => Math.round((time.getTime() - start) / hour));
    expect(hours).toEqual([3, 2, 1]);
  });

  test('a message expires by its own time to live, and a queue that nobody uses goes', async () => {
    await channel.queueDeclare('unused', { arguments: { 'x-expires': 2 * hour } });
    await channel.publish('', 'unused', 'one', { expiration: String(hour) });
    expect(broker.untilNextDue).toBeLessThanOrEqual(hour);
    broker.advance(hour - 1_000);
    expect(await count('unused')).toBe(1);
    broker.advance(1_000);
    expect(await count('unused')).toBe(0);
    broker.advance(2 * hour);
    expect(await channel.queueExists('unused')).toBe(false);
    expect(broker.untilNextDue).toBeUndefined();
  });

  test('confirms that a fault holds back go out; the connection stays, whatever its heartbeat', async () => {
    await channel.queueDeclare('queue');
    broker.faults.delayConfirms(hour);
    const publishing = channel.publish('', 'queue', 'one');
    await until('it arrived', async () => (await count('queue')) === 1);
    broker.advance(hour);
    await publishing;
    expect(connection.epoch).toBe(1);
  });

  test('goes with the fake timers of a test runner, too', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    await channel.queueDeclare('queue', { arguments: { 'x-message-ttl': 16_000 } });
    await channel.publish('', 'queue', 'one');
    await jest.advanceTimersByTimeAsync(15_000);
    expect(await count('queue')).toBe(1);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(await count('queue')).toBe(0);
    await channel.publish('', 'queue', 'two');
    broker.advance(16_000);
    expect(await count('queue')).toBe(0);
  });

  test.each([
    ['the date is set back', () => jest.spyOn(Date, 'now').mockReturnValue(Date.now() - 24 * hour)],
    ['the date is set forward', () => jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 24 * hour)],
    [
      'fake timers begin in the past',
      () => jest.useFakeTimers({ doNotFake: [...untouched], now: new Date('2020-01-01') }),
    ],
    ['fake timers begin later', () => jest.useFakeTimers({ doNotFake: [...untouched], now: Date.now() + 24 * hour })],
    ['only the date is fake', () => jest.useFakeTimers({ doNotFake: [...allTimers], now: 0 })],
  ])('moves what is due, and only as far as it should, where %s', async (_title, change) => {
    await channel.queueDeclare('queue', { arguments: { 'x-message-ttl': 60_000 } });
    await channel.publish('', 'queue', 'one');
    change();
    expect(await count('queue')).toBe(1);
    expect(broker.untilNextDue).toBeLessThanOrEqual(60_000);
    broker.advance(40_000);
    expect(await count('queue')).toBe(1);
    expect(broker.untilNextDue).toBeGreaterThan(10_000);
    broker.advance(20_000);
    expect(await count('queue')).toBe(0);
  });

  test('in real time it comes also while the date stands still', async () => {
    jest.useFakeTimers({ doNotFake: [...allTimers] });
    await channel.queueDeclare('queue', { arguments: { 'x-message-ttl': 20 } });
    await channel.publish('', 'queue', 'one');
    await until('it expired', async () => (await count('queue')) === 0);
  });

  test('no time has passed in it when fake timers are put back', async () => {
    jest.useFakeTimers({ doNotFake: [...untouched] });
    await channel.queueDeclare('queue', { arguments: { 'x-message-ttl': hour } });
    await channel.publish('', 'queue', 'one');
    jest.advanceTimersByTime(1_000);
    expect(broker.untilNextDue).toBe(hour - 1_000);
    jest.useRealTimers();
    expect(broker.untilNextDue).toBeGreaterThan(hour - 60_000);
    expect(broker.untilNextDue).toBeLessThanOrEqual(hour - 1_000);
  });

  test.each([
    ['the date, as in Vitest', ['Date']],
    ['nothing else', []],
  ] as const)('fake timers move it that fake %s', async (_title, others) => {
    const kept = allTimers.filter((name) => name !== 'setTimeout' && name !== 'clearTimeout');
    const doNotFake = [...kept, 'Date' as const].filter((name) => !(others as readonly string[]).includes(name));
    await channel.queueDeclare('queue', { arguments: { 'x-message-ttl': 1_000 } });
    jest.useFakeTimers({ doNotFake });
    await channel.publish('', 'queue', 'one');
    jest.advanceTimersByTime(999);
    expect(await count('queue')).toBe(1);
    jest.advanceTimersByTime(1);
    expect(await count('queue')).toBe(0);
    expect(broker.untilNextDue).toBeUndefined();
  });
});
