/** Many clients whose broker is away for long, in fake time. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { jest } from '@jest/globals';
import { connect, connectTcp, type Connection } from 'leveret/amqp';
import { describeOnEmbedded } from '../../support/brokers.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heap(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

/** Lets sockets do what they have to: they live in real time. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describeOnEmbedded('a broker that is away for long', (broker) => {
  afterEach(() => {
    jest.useRealTimers();
  });

  test('scenario 14: ten minutes, 200 clients: delays are capped, attempts are spread, memory stays flat, all come back', async () => {
    const maxDelay = 10_000;
    const clients = 200;
    const open = new Set<{ destroy(): void }>();
    let isAway = false;
    let underWay = 0;
    let mostUnderWay = 0;
    const connections: Connection[] = [];
    for (let client = 0; client < clients; client++) {
      const connection = await connect(broker.url, {
        recovery: { initialDelay: 100, maxDelay },
        transport: async (endpoint, setup) => {
          underWay += 1;
          mostUnderWay = Math.max(mostUnderWay, underWay);
          try {
            if (isAway) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
            const transport = await connectTcp(endpoint, setup);
            open.add(transport);
            return transport;
          } finally {
            underWay -= 1;
          }
        },
      });
      connections.push(connection);
    }
    const attempts: { readonly client: number; readonly delay: number; readonly time: number }[] = [];
    const lost: number[] = [];
    const recovered: number[] = [];
    for (const [client, connection] of connections.entries()) {
      connection.on('reconnecting', ({ delay }) => attempts.push({ client, delay, time: Date.now() }));
      connection.on('lost', () => lost.push(client));
      connection.on('recovered', () => recovered.push(client));
    }

    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    isAway = true;
    for (const transport of open) transport.destroy();
    while (lost.length < clients) await turns(1);
    const began = Date.now();
    const heaps: number[] = [];
    const timers: number[] = [];
    for (let minute = 1; minute <= 10; minute++) {
      for (let second = 0; second < 60; second++) await jest.advanceTimersByTimeAsync(1_000);
      timers.push(jest.getTimerCount());
      // What the test keeps of the attempts is not the clients'.
      if (minute === 2 || minute === 10) heaps.push(heap() - 100 * attempts.length);
    }
    expect(new Set(attempts.map(({ client }) => client)).size).toBe(clients);
    expect(Math.max(...attempts.map(({ delay }) => delay))).toBeLessThanOrEqual(maxDelay);
    // A mean of half the cap: some 120 attempts each in ten minutes.
    expect(attempts.length / clients).toBeGreaterThan(80);
    expect(attempts.length / clients).toBeLessThan(160);
    // The last five minutes, second by second: nowhere do they come together.
    const seconds = new Array<number>(300).fill(0);
    for (const { time } of attempts) {
      const second = Math.floor((time - began) / 1_000) - 300;
      if (second >= 0 && second < 300) seconds[second] = (seconds[second] ?? 0) + 1;
    }
    const mean = seconds.reduce((sum, count) => sum + count, 0) / seconds.length;
    expect(Math.max(...seconds)).toBeLessThan(2.5 * mean);
    expect(Math.min(...seconds)).toBeGreaterThan(0);
    // One delay for each, and never a second attempt beside the first.
    expect(Math.max(...timers)).toBeLessThanOrEqual(clients);
    expect(mostUnderWay).toBeLessThanOrEqual(clients);
    const [early = 0, late = 0] = heaps;
    expect(late - early).toBeLessThan(2 * 2 ** 20);

    isAway = false;
    for (let step = 0; step < 400 && recovered.length < clients; step++) {
      await jest.advanceTimersByTimeAsync(50);
      await turns(20);
    }
    expect(new Set(recovered).size).toBe(clients);
    expect(recovered).toHaveLength(clients);
    jest.useRealTimers();
    await Promise.all(connections.map((connection) => connection.close()));
  }, 60_000);
});
