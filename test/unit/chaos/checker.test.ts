/** The judge of the random fault runs: for each thing that must not be, a history in which it is. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Checker, checkHistory, isGood, mustBeEmpty, type Verdict } from '../../chaos/checker.js';
import type { HistoryLine, Operation } from '../../chaos/history.js';
import { faultNames, schedule } from '../../chaos/schedule.js';

const sent = (value: string, outcome: 'ok' | 'failed' | 'unknown', queues = ['q']): Operation[] => [
  { what: 'publish', value, outcome: 'invoked', queues },
  { what: 'publish', value, outcome },
];
const delivered = (value: string, queue = 'q', redelivered = false): Operation => ({
  what: 'deliver',
  value,
  outcome: 'ok',
  queue,
  redelivered,
});
const event = (name: string): Operation => ({ what: 'event', event: name });
const fault = (least: number, most = least): Operation => ({
  what: 'fault',
  fault: 'cut',
  outcome: 'invoked',
  outages: { someone: [least, most] },
});
const alive: Operation = { what: 'alive', outcome: 'ok', milliseconds: 120 };
const end: Operation = { what: 'end' };

function lines(operations: readonly Operation[]): HistoryLine[] {
  return operations.map((operation, index) => ({ time: index, who: 'someone', ...operation }));
}

function judge(...operations: Operation[]): Verdict {
  const checker = new Checker();
  for (const line of lines(operations)) checker.take(line);
  return checker.verdict();
}

describe('what is found', () => {
  const outage = [fault(1), event('lost'), event('recovered'), alive];
  const guilty: [found: keyof typeof mustBeEmpty, what: string, history: Operation[]][] = [
    ['lost', 'confirmed, and never seen', [...sent('a', 'ok'), end]],
    ['lost', 'seen in one of its two queues', [...sent('a', 'ok', ['q', 'r']), delivered('a', 'r'), end]],
    ['unexpected', 'never sent', [delivered('a'), end]],
    [
      'unexpected',
      'in a queue that it was not sent to',
      [...sent('a', 'ok'), delivered('a'), delivered('a', 'r'), end],
    ],
    ['denied', 'said to be not sent, and seen', [...sent('a', 'failed'), delivered('a'), end]],
    [
      'unsettled',
      'a publish without outcome',
      [{ what: 'publish', value: 'a', outcome: 'invoked', queues: ['q'] }, end],
    ],
    ['settledTwice', 'two outcomes', [...sent('a', 'unknown'), { what: 'publish', value: 'a', outcome: 'ok' }, end]],
    [
      'corrupted',
      'half a body',
      [
        ...sent('a', 'unknown'),
        { what: 'deliver', value: 'a', outcome: 'failed', queue: 'q', redelivered: false },
        end,
      ],
    ],
    ['notAlive', 'not back in time', [fault(0), { what: 'alive', outcome: 'failed', milliseconds: 15_000 }, end]],
    ['events', 'lost twice in a row', [fault(2), event('lost'), event('lost'), event('recovered'), alive, end]],
    ['events', 'recovered without a loss', [event('recovered'), end]],
    ['events', 'lost without a fault', [event('lost'), event('recovered'), end]],
    ['events', 'lost more often than the fault explains', [...outage.slice(0, 3), ...outage.slice(1), end]],
    ['events', 'not lost, where the fault must have been noticed', [fault(1), alive, end]],
    ['events', 'still lost at the end', [fault(1), event('lost'), alive, end]],
    ['events', 'given up', [fault(1), event('lost'), event('failed'), end]],
    ['problems', 'an unhandled rejection', [{ what: 'problem', detail: 'Error: oh' }, end]],
    ['problems', 'a history that breaks off', [...sent('a', 'ok'), delivered('a')]],
    ['problems', 'a fault that could not be made', [{ what: 'fault', fault: 'kill', outcome: 'failed' }, end]],
    ['problems', 'an outcome of nothing', [{ what: 'publish', value: 'a', outcome: 'ok' }, end]],
    ['problems', 'one value twice', [...sent('a', 'ok'), ...sent('a', 'ok'), delivered('a'), end]],
    ['left', 'a socket', [{ what: 'left', kind: 'handles', items: ['TCPSocketWrap: 1, were 0'] }, end]],
  ];

  test.each(guilty)('%s: %s', (found, _what, history) => {
    const verdict = judge(...history);
    expect(verdict[found].length).toBeGreaterThan(0);
    expect(isGood(verdict)).toBe(false);
  });

  test('each thing that must not be has a history above', () => {
    expect(new Set(guilty.map(([found]) => found))).toEqual(new Set(Object.keys(mustBeEmpty)));
  });
});

describe('what is well', () => {
  const history = [
    ...sent('a', 'ok', ['q', 'r']),
    ...sent('b', 'unknown'),
    ...sent('c', 'unknown'),
    ...sent('d', 'failed'),
    delivered('a'),
    delivered('a', 'r'),
    delivered('a', 'r', true),
    fault(1),
    event('lost'),
    event('reconnecting'),
    event('recovered'),
    { what: 'settle', value: 'a', how: 'ack', outcome: 'unknown' },
    delivered('b'),
    delivered('b'),
    alive,
    { what: 'left', kind: 'connections', items: [] },
    end,
  ] as const satisfies Operation[];

  test('is counted', () => {
    const verdict = judge(...history);
    expect(isGood(verdict)).toBe(true);
    expect(verdict).toMatchObject({
      attempted: 4,
      confirmed: 1,
      failed: 1,
      unknown: 2,
      seen: 2,
      recoveredUnknown: 1,
      duplicates: 1,
      redelivered: 1,
      staleSettlements: 1,
      faults: 1,
      longestRevival: 120,
    });
    expect(verdict.recoveries.get('someone')).toBe(1);
  });

  test('is read from a file, too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'leveret-history-'));
    try {
      const path = join(folder, 'history.jsonl');
      await writeFile(
        path,
        lines(history)
          .map((line) => `${JSON.stringify(line)}\n`)
          .join(''),
      );
      expect(await checkHistory(path)).toEqual(judge(...history));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('the schedule', () => {
  const take = (seed: number, count: number) => {
    const faults = schedule(seed);
    return Array.from({ length: count }, () => faults.next().value);
  };

  test('a seed decides it', () => {
    expect(take(5, 40)).toEqual(take(5, 40));
    expect(take(5, 40)).not.toEqual(take(6, 40));
  });

  test('has each fault once before any a second time', () => {
    const names = take(5, faultNames.length).map(({ name }) => name);
    expect(new Set(names)).toEqual(new Set(faultNames));
  });
});
