/** Faults whose time is a test's: nothing waits for real, and each thing happens at its very moment. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { jest } from '@jest/globals';
import { connect, type Channel, type Connection } from 'leveret/amqp';
import { EmbeddedBroker } from 'leveret/broker';

/** All of them, immediates, ticks and microtasks too: what happens, happens when the test lets it. */
function stopEverything(): void {
  jest.useFakeTimers();
}

/** So much time passes, millisecond by millisecond. */
async function pass(milliseconds: number): Promise<void> {
  for (let each = 0; each < milliseconds; each++) await jest.advanceTimersByTimeAsync(1);
}

/** The milliseconds of fake time that something takes. */
async function timeOf(work: Promise<unknown>): Promise<number> {
  const start = Date.now();
  let end: number | undefined;
  void work.then(() => (end = Date.now()));
  for (let waited = 0; end === undefined; waited++) {
    if (waited > 60_000) throw new Error('not within a minute');
    await pass(1);
  }
  return end - start;
}

describe('with fake timers', () => {
  let broker: EmbeddedBroker;
  let connection: Connection;
  let channel: Channel;

  beforeEach(async () => {
    stopEverything();
    const ready = (async () => {
      broker = await EmbeddedBroker.start();
      connection = await connect({
        transport: broker.memory(),
        heartbeat: 10,
        recovery: { initialDelay: 1, maxDelay: 1 },
      });
      channel = await connection.openChannel({ confirm: true });
      await channel.queueDeclare('q');
    })();
    await timeOf(ready);
  });

  afterEach(async () => {
    broker.faults.clear();
    await timeOf(connection.close().then(() => broker.stop()));
    await pass(5);
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });

  it('ten seconds of delay are ten of theirs, and the same each time', async () => {
    broker.faults.on().delayConfirms(10_000);
    // Milliseconds beside them go to the turns of the event loop that a publish and its confirm take.
    const first = await timeOf(channel.publish('', 'q', 'x').then(() => undefined));
    const second = await timeOf(channel.publish('', 'q', 'x').then(() => undefined));
    expect(first).toBeGreaterThanOrEqual(10_000);
    expect(first).toBeLessThan(10_010);
    expect(second).toBe(first);
  }, 30_000);

  it('slow: late, and by bytes per second', async () => {
    const late = broker.faults.on().slow({ delay: 5_000 });
    const [first, second] = [await timeOf(channel.queueDeclare('q')), await timeOf(channel.queueDeclare('q'))];
    expect([first, second]).toEqual([first, first]);
    expect(first).toBeGreaterThanOrEqual(10_000);
    expect(first).toBeLessThan(10_010);
    late.end();
    broker.faults.on().slow({ bytesPerSecond: 1_000, direction: 'reads' });
    const publish = await timeOf(channel.publish('', 'q', Buffer.alloc(5_000)).then(() => undefined));
    expect(publish).toBeGreaterThan(4_900);
    expect(publish).toBeLessThan(5_300);
  }, 30_000);

  it('merge: what was written in the time comes at its end, at once', async () => {
    const arrivals: number[] = [];
    await timeOf(channel.basicConsume('q', () => arrivals.push(Date.now()), { noAck: true }));
    broker.faults.on().merge(500);
    for (let count = 0; count < 3; count++) {
      channel.basicPublish('', 'q', 'x');
      await pass(100);
    }
    expect(arrivals).toEqual([]);
    await pass(250);
    expect(arrivals).toHaveLength(3);
    expect(new Set(arrivals).size).toBe(1);
  });

  it('silence: the heartbeat finds it after its time, and the connection is back', async () => {
    const events: [string, number][] = [];
    const start = Date.now();
    connection.on('lost', () => events.push(['lost', Date.now() - start]));
    connection.on('recovered', () => events.push(['recovered', Date.now() - start]));
    const fault = broker.faults.at('queue.declare').silence('writes');
    // It is answered by the next life of the connection.
    const declared = channel.queueDeclare('q').catch(() => undefined);
    await pass(9_000);
    expect(events).toEqual([]);
    expect(fault.strikes).toBe(1);
    await pass(16_000);
    expect(events.map(([name]) => name)).toEqual(['lost', 'recovered']);
    expect(events[0]?.[1]).toBeGreaterThan(9_000);
    await timeOf(declared);
  }, 30_000);
});

it('with the mock timers of node:test, in a program of its own', async () => {
  const program = fileURLToPath(new URL('faults-time.program.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program]);
  expect(JSON.parse(stdout)).toEqual({ before: 'none', after: 'confirmed' });
}, 30_000);
