/** The parts of flow that know no broker: lines, lanes, ages and deadlines. */
import type { Delivery } from 'leveret/amqp';
import type { ConsumerRun } from '../../../lib/nest/consuming/consumer-run.js';
import { Deadlines } from '../../../lib/nest/flow/deadlines.js';
import { DeliveryAges, ticks } from '../../../lib/nest/flow/delivery-ages.js';
import { Fifo } from '../../../lib/nest/flow/fifo.js';
import { Lanes } from '../../../lib/nest/flow/lanes.js';
import { elapse, letTimeGo, stopTime } from '../../support/fake-time.js';

/** Of a run nothing but its delivery is looked at. */
function run(deliveryTag: number, key: string): ConsumerRun {
  return { delivery: { deliveryTag, routingKey: key } as Delivery } as ConsumerRun;
}

const tagsOf = (runs: readonly ConsumerRun[]): number[] => runs.map(({ delivery }) => delivery.deliveryTag);

describe('a queue in memory', () => {
  test('gives what came first, whatever is put in meanwhile, undefined too', () => {
    const fifo = new Fifo<number | undefined>();
    const expected: (number | undefined)[] = [];
    for (let step = 0; step < 5_000; step++) {
      const entry = step % 7 === 0 ? undefined : step;
      fifo.push(entry);
      expected.push(entry);
      if (step % 3 !== 0) expect(fifo.shift()).toBe(expected.shift());
      expect(fifo.size).toBe(expected.length);
      expect(fifo.head).toBe(expected[0]);
    }
    expect(fifo.takeAll()).toEqual(expected);
    expect([fifo.size, fifo.shift(), fifo.head]).toEqual([0, undefined, undefined]);
  });
});

describe('lanes', () => {
  const byKey = (delivery: Delivery): string => delivery.routingKey;

  test('one of a key at a time, in order, in ten thousand steps at random', () => {
    const lanes = new Lanes(byKey);
    const working = new Map<string, ConsumerRun>();
    const last = new Map<string, number>();
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    let started = 0;
    let pushed = 0;
    for (let step = 0; step < 10_000; step++) {
      if (random(2) === 0) lanes.push(run((pushed += 1), `key ${String(random(20))}`));
      const next = random(2) === 0 ? lanes.next() : undefined;
      if (next) {
        const { routingKey, deliveryTag } = next.delivery;
        expect(working.has(routingKey)).toBe(false);
        expect(deliveryTag).toBeGreaterThan(last.get(routingKey) ?? 0);
        working.set(routingKey, next);
        last.set(routingKey, deliveryTag);
        started += 1;
      }
      const [done] = [...working.values()].slice(random(5));
      if (done) {
        working.delete(done.delivery.routingKey);
        lanes.done(done);
      }
    }
    const left = lanes.takeAll();
    expect(started + left.length).toBe(pushed);
    expect(tagsOf(left)).toEqual(tagsOf(left).sort((a, b) => a - b));
    expect(lanes.oldestTag).toBeUndefined();
  });

  test('all that wait can be taken; those at work keep their turn', () => {
    const lanes = new Lanes(byKey);
    for (const [tag, key] of [
      [1, 'a'],
      [2, 'b'],
      [3, 'a'],
      [4, 'b'],
    ] as const)
      lanes.push(run(tag, key));
    const working = lanes.next();
    expect(lanes.oldestTag).toBe(2);
    expect(tagsOf(lanes.takeAll())).toEqual([2, 3, 4]);
    for (const [tag, key] of [
      [5, 'a'],
      [6, 'b'],
    ] as const)
      lanes.push(run(tag, key));
    expect(lanes.next()?.delivery.deliveryTag).toBe(6);
    expect(lanes.next()).toBeUndefined();
    if (working) lanes.done(working);
    expect(lanes.next()?.delivery.deliveryTag).toBe(5);
  });
});

describe('ages of deliveries', () => {
  test('are known to a twentieth, and no younger one is taken for an older', () => {
    const ages = new DeliveryAges();
    // One delivery for each tick: number n comes right before tick n.
    for (let tick = 1; tick <= 30; tick++) ages.tick(tick);
    expect(ages.tagAfter(0)).toBe(30);
    expect(ages.tagAfter(ticks.giveBack)).toBe(21);
    expect(ages.tagAfter(ticks.warn)).toBe(20);
    expect(ages.tagAfter(ticks.expire)).toBe(13);
    expect(new DeliveryAges().tagAfter(0)).toBe(0);
  });
});

describe('deadlines', () => {
  beforeEach(stopTime);
  afterEach(letTimeGo);

  test('each ends at its time, or before; one that another begins in its end counts too', async () => {
    const deadlines = new Deadlines(1_000);
    const ended: string[] = [];
    deadlines.begin(() => {
      ended.push('first');
      deadlines.begin(() => ended.push('third'));
    });
    const second = deadlines.begin(() => ended.push('second'));
    await elapse(500);
    const late = deadlines.begin(() => ended.push('late'));
    deadlines.end(second);
    deadlines.end(second);
    await elapse(499);
    expect(ended).toEqual([]);
    await elapse(2);
    expect(ended).toEqual(['first']);
    await elapse(500);
    expect(ended).toEqual(['first', 'late']);
    deadlines.end(late);
    await elapse(500);
    expect(ended).toEqual(['first', 'late', 'third']);
  });

  test('one that is begun after a rest ends at its time', async () => {
    const deadlines = new Deadlines(100);
    let ended = 0;
    deadlines.end(deadlines.begin(() => (ended += 1)));
    await elapse(60);
    deadlines.begin(() => (ended += 1));
    await elapse(99);
    expect(ended).toBe(0);
    await elapse(2);
    expect(ended).toBe(1);
  });
});
