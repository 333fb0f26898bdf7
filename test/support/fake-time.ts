/**
 * A clock that goes only when a test says so, so that a default of 30 seconds costs none. Sockets know no clock: they go on
 * in real time, and `soon` waits for them.
 */
import { jest } from '@jest/globals';

const realTimer = setTimeout;
const realNow = performance.now.bind(performance);

/** From here on timers, Date and performance.now stand still. */
export function stopTime(): void {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
}

export function letTimeGo(): void {
  jest.useRealTimers();
}

/** So many milliseconds pass, with all that is due in them. */
export async function elapse(milliseconds: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(milliseconds);
}

/** Real time for sockets, while the clock stands still. */
export function breathe(milliseconds = 10): Promise<void> {
  return new Promise((resolve) => {
    realTimer(resolve, milliseconds);
  });
}

/** Waits, in real time, until the function no longer throws, 5 s at most; then throws what it threw. */
export async function soon(check: () => unknown): Promise<void> {
  const deadline = realNow() + 5_000;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (realNow() > deadline) throw error;
      await breathe();
    }
  }
}
