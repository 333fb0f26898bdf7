/** `broker.advance`: what takes its time in the broker is there at once, as if that time had passed. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { connect, type Channel, type Connection } from 'leveret/amqp';
import { EmbeddedBroker } from 'leveret/broker';
import { until } from '../../support/waiting.js';

const hour = 3_600_000;

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
});
