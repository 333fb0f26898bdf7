/** The broker's clock: what waits by it comes at its time, or when the clock is moved there. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { ArgumentError, WrongStateError } from '../../../lib/amqp/errors.js';
import { BrokerClock } from '../../../lib/broker/clock.js';

describe('the clock of the broker', () => {
  const day = 86_400_000;
  let clock: BrokerClock;
  let happened: (readonly [what: string, at: number])[];
  let start: number;

  const note = (what: string) => (): void => {
    happened.push([what, clock.now() - start]);
  };

  beforeEach(() => {
    jest.useFakeTimers({ now: 1_700_000_000_000 });
    clock = new BrokerClock();
    happened = [];
    start = clock.now();
  });

  afterEach(() => {
    clock.stop();
    jest.useRealTimers();
  });

  test('goes as the machine’s does', () => {
    clock.after(20, note('a'));
    expect(clock.untilNext()).toBe(20);
    jest.advanceTimersByTime(19);
    expect(happened).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(happened).toEqual([['a', 20]]);
    expect(clock.untilNext()).toBeUndefined();
  });

  test('moved on, it meets all that is due on the way, each at its own time, what is set on the way among it', () => {
    clock.after(300, note('last'));
    clock.after(100, () => {
      note('first')();
      clock.after(50, note('set on the way'));
    });
    clock.after(100, note('second'));
    clock.after(301, note('too late'));
    clock.advance(300);
    expect(happened).toEqual([
      ['first', 100],
      ['second', 100],
      ['set on the way', 150],
      ['last', 300],
    ]);
    expect(clock.now() - start).toBe(300);
  });

  test('what happens on the way takes no time, however long it took', () => {
    clock.after(1_000, () => {
      jest.setSystemTime(Date.now() + 5);
      note('first')();
      clock.after(1_000, note('second'));
    });
    clock.advance(2_000);
    expect(happened).toEqual([
      ['first', 1_000],
      ['second', 2_000],
    ]);
    expect(clock.now() - start).toBe(2_000);
    jest.advanceTimersByTime(10);
    expect(clock.now() - start).toBe(2_010);
  });

  test('is not moved while it is moved, and goes on after what throws on the way', () => {
    clock.after(10, () => {
      clock.advance(1);
    });
    expect(() => {
      clock.advance(10);
    }).toThrow(WrongStateError);
    clock.advance(5);
    expect(clock.untilNext()).toBeUndefined();
  });

  test('what is left after a move waits for the rest of its time only, and comes once', () => {
    clock.after(1_000, note('a'));
    clock.advance(900);
    expect(clock.untilNext()).toBe(100);
    jest.advanceTimersByTime(100);
    clock.advance(5_000);
    jest.advanceTimersByTime(5_000);
    expect(happened).toEqual([['a', 1_000]]);
  });

  test('waits longer than a timer of Node can', () => {
    clock.after(60 * day, note('a'));
    jest.advanceTimersByTime(59 * day);
    expect(happened).toEqual([]);
    jest.advanceTimersByTime(day);
    expect(happened).toEqual([['a', 60 * day]]);
  });

  test('what was cancelled does not happen, and after stop nothing does', () => {
    const cancelled = clock.after(10, note('a'));
    clock.after(20, () => {
      other.cancel();
      note('b')();
    });
    const other = clock.after(20, note('c'));
    cancelled.cancel();
    cancelled.cancel();
    clock.advance(20);
    expect(happened).toEqual([['b', 20]]);
    clock.after(10, note('d'));
    clock.stop();
    clock.advance(100);
    expect(jest.getTimerCount()).toBe(0);
    expect(happened).toHaveLength(1);
  });

  test.each([-1, NaN, Infinity, '10' as unknown as number])('refuses to move by %p', (milliseconds) => {
    expect(() => {
      clock.advance(milliseconds);
    }).toThrow(ArgumentError);
  });
});
