/** The retry state machine, checked as a whole: it has six states, so every move there is can be tried. */
import { legalMoves, RetryStates, type RetryState } from '../../../lib/amqp/recovery/index.js';
import { WrongStateError } from '../../../lib/amqp/errors.js';

const all = Object.keys(legalMoves) as RetryState[];

/** A machine that was led to a state by legal moves, on the shortest way. */
function ledTo(goal: RetryState): RetryStates {
  const ways: RetryState[][] = [[]];
  for (const way of ways) {
    const states = new RetryStates();
    for (const state of way) states.move(state);
    if (states.state === goal) return states;
    if (way.length < all.length) ways.push(...legalMoves[states.state].map((next) => [...way, next]));
  }
  throw new Error(`no way leads to ${goal}`);
}

describe('the states of a connection', () => {
  test.each(all)('%s can be reached, and every move from it is either legal or refused', (from) => {
    for (const to of all) {
      const states = ledTo(from);
      if (legalMoves[from].includes(to)) {
        states.move(to);
        expect(states.state).toBe(to);
      } else {
        expect(() => {
          states.move(to);
        }).toThrow(WrongStateError);
        expect(states.state).toBe(from);
      }
    }
  });

  test('only a restored life is open: nothing else leads there', () => {
    expect(all.filter((state) => legalMoves[state].includes('open'))).toEqual(['restoring']);
  });

  test('every attempt after a failure waits first', () => {
    expect(all.filter((state) => legalMoves[state].includes('connecting'))).toEqual(['backing-off']);
  });

  test('from every state but closed, close() leads to closed, and from there nothing leads away', () => {
    expect(all.filter((state) => !legalMoves[state].includes('closed'))).toEqual(['closed']);
    expect(legalMoves.closed).toEqual([]);
  });

  test('what was given up stays given up', () => {
    expect(legalMoves.failed).toEqual(['closed']);
  });

  test('users see connecting before the first life, recovering after it, and lives are counted', () => {
    const states = new RetryStates();
    const seen = [states.visible];
    const way = [
      ...(['backing-off', 'connecting', 'restoring', 'open', 'backing-off', 'connecting', 'restoring'] as const),
      ...(['backing-off', 'connecting', 'restoring', 'open', 'failed', 'closed'] as const),
    ];
    for (const state of way) {
      states.move(state);
      if (seen.at(-1) !== states.visible) seen.push(states.visible);
    }
    expect(seen).toEqual(['connecting', 'open', 'recovering', 'open', 'failed', 'closed']);
    expect(states.epoch).toBe(2);
  });
});
