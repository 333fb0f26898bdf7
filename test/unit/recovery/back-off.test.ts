/** Delays between attempts. */
import { backOffDelay, wait } from '../../../lib/amqp/recovery/back-off.js';

describe('back-off', () => {
  const backOff = { initialDelay: 100, maxDelay: 10_000 };

  test('the bound doubles up to the cap, for any number of attempts', () => {
    const bounds = [1, 2, 3, 4, 7, 8, 100, 10_000].map((attempt) => backOffDelay(attempt, backOff, () => 1));
    expect(bounds).toEqual([100, 200, 400, 800, 6_400, 10_000, 10_000, 10_000]);
  });

  test('the delay is drawn from the whole range', () => {
    expect(backOffDelay(3, backOff, () => 0)).toBe(0);
    expect(backOffDelay(3, backOff, () => 0.5)).toBe(200);
  });

  test('waiting ends early when it is aborted', async () => {
    const abort = new AbortController();
    const waiting = wait(60_000, abort.signal);
    abort.abort();
    await waiting;
    await wait(60_000, abort.signal);
  });
});
