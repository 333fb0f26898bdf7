/** Bytes that go nowhere while nothing is closed: only heartbeats tell, and what is published meanwhile has to stay bounded. */
import type { ConnectionEvents } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { pause, until } from '../../support/waiting.js';
import { idOf, Publishes, Standards } from './support.js';

/** Seconds. */
const heartbeat = 1;

describeOnBroker('a black hole', (broker) => {
  const standards = new Standards();

  async function noticedAfter(direction: 'both' | 'toBroker' | 'toClient'): Promise<number> {
    const proxy = await standards.proxy(broker.url);
    const witness = await standards.connect(proxy.url, { heartbeat, handshakeTimeout: 500 });
    const { connection } = witness;
    const channel = await connection.openChannel({ confirm: true });
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    const seen = new Set<string>();
    const consumer = await channel.basicConsume(queue, (delivery) => {
      seen.add(idOf(delivery.body));
      delivery.ack();
    });
    const publishes = new Publishes();
    publishes.publish(channel, queue, 'before');
    await until('it works', () => seen.has('before'));
    const lost = new Promise<ConnectionEvents['lost']>((resolve) => connection.once('lost', resolve));
    proxy.hold(direction);
    const since = performance.now();
    publishes.publish(channel, queue, 'into the hole');
    await lost;
    const noticed = performance.now() - since;
    proxy.release();
    await until('it is back', () => witness.recoveries.length === 1);
    // The server-named queue has a new name, which the consumer knows.
    publishes.publish(channel, consumer.queue, 'after');
    await until('it consumes', () => seen.has('after'));
    await until('each publish has an outcome', () => publishes.settled === 3);
    publishes.expectSafe(seen);
    expect(publishes.failures.get('into the hole')).toBe('UnknownOutcomeError');
    witness.expectOutages(1);
    await until('the old connection is gone', () => proxy.openConnections === 1);
    return noticed;
  }

  test('scenario 6: both ways, and each way alone, is noticed within 2.5 time-outs, not before 0.9; all is back afterwards', async () => {
    const noticed = await Promise.all([noticedAfter('both'), noticedAfter('toBroker'), noticedAfter('toClient')]);
    for (const milliseconds of noticed) {
      expect(milliseconds).toBeGreaterThan(900 * heartbeat);
      expect(milliseconds).toBeLessThan(2_500 * heartbeat + 500);
    }
  }, 15_000);

  test('scenario 6: publishing into it is bounded, and blocks nothing', async () => {
    const proxy = await standards.proxy(broker.url);
    const witness = await standards.connect(proxy.url, {
      heartbeat,
      publishBuffer: { messages: 50, bytes: 1024 * 1024, timeout: 500 },
    });
    const channel = await witness.connection.openChannel({ confirm: true });
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    proxy.hold();
    // Milliseconds of our own work: how long the machine gives its time to others says nothing.
    const worked = (): number => process.cpuUsage().user / 1_000;
    let longestTurn = 0;
    let last = worked();
    const turns = setInterval(() => {
      longestTurn = Math.max(longestTurn, worked() - last);
      last = worked();
    }, 5);
    const body = Buffer.alloc(64 * 1024);
    const publishes = new Publishes();
    let offered = 0;
    // 256 MiB, where sixteen times the bytes of the buffer may wait, and the system's socket buffers take some.
    for (; offered < 4_096; offered++) {
      publishes.publish(channel, queue, String(offered), body);
      if (offered % 64 === 63) await pause(1);
    }
    const refused = [...publishes.failures.values()].filter((name) => name === 'NotSentError').length;
    expect((offered - refused) * body.length).toBeLessThan(64 * 1024 * 1024);
    await until('it is noticed', () => witness.losses.length === 1);
    clearInterval(turns);
    expect(longestTurn).toBeLessThan(1_000);
    proxy.release();
    await until('it is back', () => witness.recoveries.length === 1);
    await until('each publish has an outcome', () => publishes.settled === offered);
    // Of those that waited while it was thought to be up, no more than the buffer takes then.
    expect(publishes.confirmed.size).toBeLessThanOrEqual((16 * 1024 * 1024) / body.length);
    witness.expectOutages(1);
  }, 15_000);
});
