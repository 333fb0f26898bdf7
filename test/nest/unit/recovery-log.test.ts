import { ConnectionLostError, type RestoredCounts } from 'leveret/amqp';
import { OutageLog } from '../../../lib/nest/recovery/outage-log.js';
import { recoveriesInWords } from '../../../lib/nest/recovery/recovery-words.js';

const restored: RestoredCounts = { channels: 3, exchanges: 0, queues: 1, bindings: 2, consumers: 1 };
const nothing: RestoredCounts = { channels: 0, exchanges: 0, queues: 0, bindings: 0, consumers: 0 };
const cause = new ConnectionLostError('the socket broke');

function logAt(): { log: OutageLog; pass(milliseconds: number): void } {
  let now = 0;
  const start = Date.UTC(2026, 0, 1);
  const clock = { date: () => new Date(start + now), now: () => now };
  return { log: new OutageLog('default', clock), pass: (milliseconds) => (now += milliseconds) };
}

function recovered(epoch: number, broken: string[] = [], renamed: [string, string][] = []) {
  return {
    epoch,
    attempts: 2,
    duration: 1_200,
    restored,
    broken: broken.map((name) => ({ kind: 'queue' as const, name, error: new ConnectionLostError('refused') })),
    renamedQueues: new Map(renamed),
  };
}

describe('the log of outages', () => {
  test('what was refused in several recoveries is healed in all of them', () => {
    const { log, pass } = logAt();
    for (const epoch of [2, 3]) {
      log.lost({ cause });
      log.recovered(recovered(epoch, ['orders', 'payments']));
    }
    pass(5_000);
    log.healed({ kind: 'queue', name: 'orders' });
    log.healed({ kind: 'exchange', name: 'payments' });
    const since = log.outages.map(({ broken }) => broken.map(({ healedAt }) => healedAt?.toISOString()));
    expect(since).toEqual([
      ['2026-01-01T00:00:05.000Z', undefined],
      ['2026-01-01T00:00:05.000Z', undefined],
    ]);
  });

  test('lists are bounded, and say how much they leave out', () => {
    const { log } = logAt();
    const names = Array.from({ length: 5_000 }, (_, index) => `q${String(index)}`);
    log.lost({ cause });
    log.recovered(
      recovered(
        2,
        names,
        names.map((name) => [name, `${name}.new`]),
      ),
    );
    const [outage] = log.outages;
    expect(outage).toMatchObject({ brokenCount: 5_000, renamedCount: 5_000 });
    expect(outage?.broken).toHaveLength(100);
    expect(outage?.renamedQueues).toHaveLength(100);
    const text = recoveriesInWords([], []);
    expect(text).toBe('');
    const lines = recoveriesInWords(
      [{ name: 'default', state: 'open', epoch: 2, blockedReason: undefined }],
      log.outages,
    );
    expect(lines.split('\n')).toHaveLength(2 + 101 + 101);
    expect(lines).toContain('\n    and 4900 more\n');
  });

  test('people read how each connection stands, and how each outage went', () => {
    const { log, pass } = logAt();
    log.lost({ cause });
    log.reconnecting({ attempt: 1, delay: 0, cause });
    log.reconnecting({ attempt: 2, delay: 0, cause: new ConnectionLostError('nobody\r\nthere') });
    log.recovered(recovered(2, ['orders'], [['amq.gen-1', 'amq.gen-2']]));
    pass(60_000);
    log.healed({ kind: 'queue', name: 'orders' });
    log.lost({ cause });
    log.reconnecting({ attempt: 1, delay: 0, cause });
    log.recovered({ ...recovered(3), attempts: 1, duration: 5, restored: nothing });
    log.lost({ cause });
    pass(250);
    const text = recoveriesInWords(
      [
        { name: 'default', state: 'recovering', epoch: 3, blockedReason: undefined },
        { name: 'audit', state: 'open', epoch: 1, blockedReason: 'low on memory' },
      ],
      log.outages,
    );
    expect(text.split('\n')).toEqual([
      'connection "default": recovering in life 3; last outages:',
      '  2026-01-01T00:00:00.000Z lost: ConnectionLostError: the socket broke; back after 1200 ms, 2 attempts ' +
        '(ConnectionLostError: nobody there), with 3 channels, 1 queue, 2 bindings, 1 consumer',
      '    queue "orders" did not come back: ConnectionLostError: refused; works since 2026-01-01T00:01:00.000Z',
      '    queue "amq.gen-1" is "amq.gen-2" now',
      '  2026-01-01T00:01:00.000Z lost: ConnectionLostError: the socket broke; back after 5 ms, 1 attempt, with nothing',
      '  2026-01-01T00:01:00.000Z lost: ConnectionLostError: the socket broke; not back after 250 ms, 0 attempts',
      'connection "audit": open in life 1, blocked by the broker: low on memory; no outage',
    ]);
  });

  test('how an outage ended otherwise, and a loss that no attempt followed', () => {
    const { log, pass } = logAt();
    log.lost({ cause });
    log.failed({ cause });
    log.lost({ cause });
    log.reconnecting({ attempt: 1, delay: 0, cause });
    pass(10);
    log.failed({ cause: new ConnectionLostError('nobody there') });
    log.lost({ cause });
    pass(10);
    log.closed();
    // None of these belongs to an outage.
    log.closed();
    log.failed({ cause });
    log.reconnecting({ attempt: 9, delay: 0, cause });
    expect(log.outages).toMatchObject([
      { outcome: 'failed', attempts: 0, lastFailure: undefined, duration: 0 },
      { outcome: 'failed', attempts: 1, lastFailure: 'ConnectionLostError: nobody there', duration: 10 },
      { outcome: 'closed', attempts: 0, duration: 10 },
    ]);
    expect(JSON.parse(JSON.stringify(log.outages[0]))).toMatchObject({ lostAt: '2026-01-01T00:00:00.000Z' });
  });
});
