/** Losses with messages on their way, in either direction, small ones by the thousand and large ones cut in two. */
import { describeOnBroker } from '../../support/brokers.js';
import type { Direction } from '../../support/tcp-proxy.js';
import { until } from '../../support/waiting.js';
import { idOf, Publishes, Standards } from './support.js';

const size = 2 * 1024 * 1024;
/** Where a message of that size is cut: in its first frame, between frames, and near its end. */
const places = [5_000, 131_072, 1_000_000, size - 100];

describeOnBroker('a connection reset with messages on their way', (broker) => {
  const standards = new Standards();

  /** A body that tells whether it is whole. */
  const padding = Buffer.alloc(size, 'whole ');

  async function open(prefetch: number) {
    const proxy = await standards.proxy(broker.url);
    const witness = await standards.connect(proxy.url);
    const channel = await witness.connection.openChannel({ confirm: true });
    const consumer = await witness.connection.openChannel({ prefetch });
    const queue = broker.unique('reset');
    await channel.queueDeclare(queue);
    const resetAfter = (direction: Direction, bytes: number): void => {
      proxy.afterBytes({
        direction,
        bytes,
        act: (connection) => {
          connection.reset();
        },
      });
    };
    return { proxy, witness, channel, consumer, queue, resetAfter };
  }

  test('scenario 7: reset in mid-publish: the outcome is unknown, and half a message never reaches a handler', async () => {
    const { proxy, witness, channel, consumer, queue, resetAfter } = await open(0);
    const publishes = new Publishes();
    const bodies: Buffer[] = [];
    await consumer.basicConsume(queue, (delivery) => {
      bodies.push(delivery.body);
      delivery.ack();
    });
    for (const [index, place] of places.entries()) {
      resetAfter('toBroker', place);
      await witness.recoveredAfter(() => {
        publishes.publish(channel, queue, `cut at ${String(place)}`, padding);
      });
      publishes.publish(channel, queue, `after ${String(place)}`, padding);
      await until('it is settled', () => publishes.settled === 2 * (index + 1));
      expect(publishes.failures.get(`cut at ${String(place)}`)).toBe('UnknownOutcomeError');
      expect(publishes.confirmed).toContain(`after ${String(place)}`);
    }
    await until('all that was confirmed came', () => {
      const seen = new Set(bodies.map(idOf));
      return [...publishes.confirmed].every((id) => seen.has(id));
    });
    expect(bodies.every((body) => body.subarray(body.indexOf(':') + 1).equals(padding))).toBe(true);
    publishes.expectSafe(new Set(bodies.map(idOf)));
    witness.expectOutages(places.length);
    await until('one connection is open', () => proxy.openConnections === 1);
    await channel.queueDelete(queue);
  });

  test('scenario 7: reset in mid-delivery: half a message never reaches a handler, and the whole one comes again', async () => {
    const { proxy, witness, channel, consumer, queue, resetAfter } = await open(1);
    const publishes = new Publishes();
    const seen: { id: string; isWhole: boolean; redelivered: boolean }[] = [];
    await consumer.basicConsume(queue, (delivery) => {
      const { body, redelivered } = delivery;
      seen.push({ id: idOf(body), isWhole: body.subarray(body.indexOf(':') + 1).equals(padding), redelivered });
      delivery.ack();
    });
    for (const [index, place] of places.entries()) {
      resetAfter('toClient', place);
      await witness.recoveredAfter(() => {
        publishes.publish(channel, queue, String(place), padding);
      });
      await until('it comes again', () => seen.length === index + 1);
    }
    expect(seen).toEqual(places.map((place) => ({ id: String(place), isWhole: true, redelivered: true })));
    await until('each publish has an outcome', () => publishes.settled === places.length);
    publishes.expectSafe(new Set(seen.map(({ id }) => id)));
    witness.expectOutages(places.length);
    await until('one connection is open', () => proxy.openConnections === 1);
    await channel.queueDelete(queue);
  });

  test('scenario 27: 10,000 publishes in flight, cut at random: all settle within 1 s of the loss; confirmed is a subset of seen', async () => {
    const count = 10_000;
    const { proxy, witness, channel, consumer, queue } = await open(0);
    const publishes = new Publishes();
    // Between 2 % and 90 % of the bytes that so many publishes come to, or few of those of their confirms, which may be
    // for many publishes each.
    const share = 0.02 + 0.88 * Math.random();
    // The embedded broker confirms them all in one frame: there is nothing to cut in that direction.
    const direction = broker.kind === 'embedded' || Math.random() < 0.5 ? 'toBroker' : 'toClient';
    const bytes = Math.round(share * (direction === 'toBroker' ? count * 70 : 400));
    const place = `cut after ${String(bytes)} bytes ${direction}`;
    proxy.afterBytes({
      direction,
      bytes,
      act: (connection) => {
        connection.cut();
      },
    });
    await witness.recoveredAfter(() => {
      for (let index = 0; index < count; index++) publishes.publish(channel, queue, String(index));
    });
    await until(`each publish has an outcome (${place})`, () => publishes.settled === count);
    const [lostAt = 0] = witness.times;
    expect({ place, settledAfter: publishes.lastAt - lostAt < 1_000 }).toEqual({ place, settledAfter: true });
    // Nothing waited unsent, so nobody may have been told more than that the outcome is unknown.
    expect([...new Set(publishes.failures.values())]).toEqual(['UnknownOutcomeError']);
    const seen = new Set<string>();
    await consumer.basicConsume(queue, ({ body }) => seen.add(idOf(body)), { noAck: true });
    await until(`all that was confirmed came (${place})`, () => [...publishes.confirmed].every((id) => seen.has(id)));
    publishes.expectSafe(seen);
    witness.expectOutages(1);
    await until('one connection is open', () => proxy.openConnections === 1);
    await channel.queueDelete(queue);
  });
});
