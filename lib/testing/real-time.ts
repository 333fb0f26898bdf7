/**
 * Time that goes on while a test runner's clock stands still. Kept from the moment at which this file is loaded, which is before
 * any test takes timers away.
 */
import { WrongStateError } from '../amqp/index.js';

const realTimeout = setTimeout;
const realImmediate = setImmediate;
const realMicrotask = queueMicrotask;
const realNow = performance.now.bind(performance);

/** Milliseconds on a clock that only goes forward. */
export function now(): number {
  return realNow();
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    realTimeout(resolve, milliseconds);
  });
}

/** One turn of the event loop: what was written in memory is read by then. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    realImmediate(resolve);
  });
}

/** Throws WrongStateError where fake timers hold up what carries bytes: everything would wait for ever. */
export function assertBytesFlow(): void {
  if (setImmediate === realImmediate && queueMicrotask === realMicrotask) return;
  const held = setImmediate === realImmediate ? 'queueMicrotask' : 'setImmediate';
  throw new WrongStateError(
    `fake timers hold up ${held}, and with it all connections: leave it alone, as with ` +
      "jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] }) or " +
      "vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] })",
  );
}
