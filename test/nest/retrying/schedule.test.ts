/** Between a policy and its delays: pure arithmetic, checked for every form that `retry` may take. */
import fc from 'fast-check';
import { ackPolicyFaults } from '../../../lib/nest/decorators/ack-policy.js';
import {
  defaultRetry,
  delayBefore,
  delaysOf,
  toSchedule,
  type RetryDelay,
} from '../../../lib/nest/retrying/retry-schedule.js';

const waits = (delay: RetryDelay, attempts: number): number[] =>
  Array.from({ length: attempts }, (_, index) => delayBefore({ attempts, delay }, index + 1));

describe('the delays of a policy', () => {
  test.each<[RetryDelay, number, number[]]>([
    [500, 3, [500, 500, 500]],
    [[100, 200], 4, [100, 200, 200, 200]],
    ['exponential', 8, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]],
    [{ initial: 100, factor: 3, max: 1_000 }, 4, [100, 300, 900, 1_000]],
    [{ initial: 90_000 }, 2, [90_000, 90_000]],
    [{ initial: 10, factor: 1 }, 3, [10, 10, 10]],
    [{ initial: 0 }, 2, [0, 0]],
    [{ initial: 1, factor: 1.2, max: 2 }, 6, [1, 1, 1, 2, 2, 2]],
  ])('%j, %i times', (delay, attempts, expected) => {
    expect(waits(delay, attempts)).toEqual(expected);
    expect(delaysOf({ attempts, delay })).toEqual([...new Set(expected)]);
  });

  test('by default are five, of 1, 2, 4, 8 and 16 seconds', () => {
    expect(waits(defaultRetry.delay, defaultRetry.attempts)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
    expect(toSchedule(3)).toEqual({ attempts: 3, delay: 'exponential' });
  });

  test('with jitter are a few parts of the whole, and every one of them is known before', () => {
    const growing = fc.record({
      initial: fc.integer({ min: 0, max: 5_000 }),
      factor: fc.double({ min: 1, max: 5, noNaN: true }),
      max: fc.integer({ min: 0, max: 100_000 }),
      jitter: fc.constant(true),
    });
    fc.assert(
      fc.property(growing, fc.integer({ min: 1, max: 8 }), fc.double({ min: 0, max: 1 }), (delay, attempts, random) => {
        const schedule = { attempts, delay };
        const known = delaysOf(schedule);
        for (let attempt = 1; attempt <= attempts; attempt++) {
          const wait = delayBefore(schedule, attempt, () => random);
          expect(known).toContain(wait);
          expect(wait).toBeLessThanOrEqual(Math.max(delay.max, 0));
        }
      }),
    );
  });

  test('are as many queues, so there may not be more than 64', () => {
    const many = Array.from({ length: 65 }, (_, index) => index + 1);
    expect(ackPolicyFaults({ retry: { attempts: 65, delay: many } }).join()).toContain('more than 64 different delays');
    expect(ackPolicyFaults({ retry: { attempts: 64, delay: many } })).toEqual([]);
    const slow = { attempts: 1_000_000, delay: { initial: 1_000, factor: 1.001, max: 1_000_000 } };
    expect(ackPolicyFaults({ retry: slow }).join()).toContain('more than 64 different delays');
    expect(ackPolicyFaults({ retry: { attempts: 1_000_000, delay: 'exponential' } })).toEqual([]);
  });
});
