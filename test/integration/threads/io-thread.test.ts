/** `ioThread`: socket and heartbeats in a worker thread. */
import {
  connect,
  ConnectionLostError,
  ConnectionRefusedError,
  HeartbeatTimeoutError,
  type Channel,
  type Connection,
  type ConnectionParameters,
} from 'leveret/amqp';
import { describeOnBroker, describeOnRabbitmq, type TestBroker } from '../../support/brokers.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { rejection, until } from '../../support/waiting.js';
import { compute, fromSources, ioThread } from './support.js';

const fast = { initialDelay: 5, maxDelay: 50 };
/** Longer than a broker with a heartbeat of 1 s waits for a sign of life. */
const threeIntervals = 4_000;

let connection: Connection;
let events: string[];

async function open(url: string, parameters: ConnectionParameters = {}): Promise<Channel> {
  connection = await connect(url, { heartbeat: 1, recovery: fast, ...parameters });
  events = [];
  connection.on('lost', ({ cause }) => events.push(`lost: ${cause.message}`));
  connection.on('recovered', () => events.push('recovered'));
  return connection.openChannel({ confirm: true, prefetch: 5 });
}

/** Five messages for a handler that computes at the first of them; answers what the handler saw. */
async function handleBusily(broker: TestBroker, parameters: ConnectionParameters): Promise<string[]> {
  const channel = await open(broker.url, parameters);
  const queue = broker.unique('busy');
  await channel.queueDeclare(queue);
  for (const body of 'abcde') await channel.publish('', queue, body);
  const seen: string[] = [];
  await channel.basicConsume(queue, (delivery) => {
    if (seen.length === 0) compute(threeIntervals);
    seen.push(`${delivery.body.toString()} ${delivery.redelivered ? 'again' : 'first'} ${delivery.ack()}`);
  });
  await until('all were acknowledged', async () => {
    if (seen.filter((line) => line.endsWith('sent')).length < 5) return false;
    return connection.isOpen && (await channel.queueDeclare(queue, { passive: true })).messageCount === 0;
  });
  await channel.queueDelete(queue);
  return seen;
}

describeOnRabbitmq('a handler that computes for three heartbeat intervals', (broker) => {
  afterEach(() => connection.close());

  test('keeps its connection and its messages with ioThread', async () => {
    const seen = await handleBusily(broker, { ioThread });
    expect(seen).toEqual(['a first sent', 'b first sent', 'c first sent', 'd first sent', 'e first sent']);
    expect(events).toEqual([]);
    expect(connection.negotiated.heartbeat).toBe(1);
  }, 30_000);

  test('while more arrives than its thread may keep, loses nothing: who does not read judges nobody', async () => {
    const channel = await open(broker.url, { ioThread });
    const queue = broker.unique('flood');
    await channel.queueDeclare(queue);
    const block = Buffer.alloc(1024 * 1024);
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 10 }, () => channel.publish('', queue, block)));
    }
    let bytes = 0;
    await channel.basicConsume(
      queue,
      (delivery) => {
        if (bytes === 0) compute(threeIntervals);
        bytes += delivery.body.length;
      },
      { noAck: true },
    );
    await until('all came', () => bytes === 100 * block.length, 20_000);
    expect(events).toEqual([]);
    await channel.queueDelete(queue);
  }, 40_000);

  test('loses both without', async () => {
    const seen = await handleBusily(broker, {});
    expect(seen.some((line) => line.includes('again'))).toBe(true);
    expect(events[0]).toContain('lost');
  }, 30_000);

  test('can close the connection right afterwards', async () => {
    const channel = await open(broker.url, { ioThread });
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    const closed = new Promise<number>((resolve) => {
      void channel.basicConsume(queue, async (delivery) => {
        compute(threeIntervals);
        delivery.ack();
        const since = performance.now();
        await connection.close();
        resolve(performance.now() - since);
      });
    });
    await channel.publish('', queue, 'last');
    expect(await closed).toBeLessThan(2_000);
    expect(events).toEqual([]);
  }, 30_000);
});

describeOnBroker('a connection with an I/O thread', (broker) => {
  let proxy: TcpProxy;
  let url: string;

  beforeEach(async () => {
    proxy = await TcpProxy.start(broker.url);
    ({ url } = proxy);
  });
  afterEach(async () => {
    await connection.close();
    await proxy.stop();
  });

  test('publishes, consumes and settles bodies of all sizes', async () => {
    const channel = await open(url, { ioThread });
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    const sizes = [0, 1, 8_192, 8_193, 70_000, 131_064, 131_065, 3_000_000];
    const bodies = sizes.map((size) => Buffer.alloc(size, `${String(size)};`));
    const seen: Buffer[] = [];
    await channel.basicConsume(queue, (delivery) => {
      seen.push(delivery.body);
      delivery.ack();
    });
    await Promise.all(bodies.map((body) => channel.publish('', queue, body)));
    await until('all came', () => seen.length === sizes.length);
    expect(seen.every((body, index) => bodies[index]?.equals(body))).toBe(true);
    // What was published is still the user's.
    expect(bodies.map(({ length }) => length)).toEqual(sizes);
    expect(connection.endpoint.port).toBe(Number(new URL(url).port));
  });

  test('is cut under load, and comes back with its consumers', async () => {
    const channel = await open(url, { ioThread });
    const queue = broker.unique('cut');
    await channel.queueDeclare(queue, { autoDelete: true });
    const seen = new Set<string>();
    await channel.basicConsume(queue, (delivery) => {
      seen.add(delivery.body.toString());
      delivery.ack();
    });
    const publishes = Array.from({ length: 2_000 }, (_none, index) => channel.publish('', queue, String(index)));
    const outcomes = Promise.allSettled(publishes);
    await until('some came', () => seen.size > 100);
    proxy.cut();
    await until('it is back', () => events.includes('recovered'));
    expect((await outcomes).length).toBe(2_000);
    await channel.publish('', queue, 'afterwards');
    await until('it consumes', () => seen.has('afterwards'));
    expect(events.filter((event) => event === 'recovered')).toEqual(['recovered']);
  }, 20_000);

  test('judges a peer that froze, and says so', async () => {
    await open(url, { ioThread });
    const lost = new Promise<Error>((resolve) => connection.once('lost', ({ cause }) => resolve(cause)));
    proxy.swallow();
    expect(await lost).toBeInstanceOf(HeartbeatTimeoutError);
    proxy.release();
    await until('it is back', () => connection.isOpen, 20_000);
  }, 40_000);

  test('is lost when its thread crashes, and recovers with another', async () => {
    const crash = 'data:text/javascript,setTimeout(()=>{throw new Error("the thread broke")},1500)';
    const channel = await open(url, { ioThread: { execArgv: [...fromSources, '--import', crash] } });
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    const lost = new Promise<Error>((resolve) => connection.once('lost', ({ cause }) => resolve(cause)));
    const cause = await lost;
    expect(cause).toBeInstanceOf(ConnectionLostError);
    expect(cause.message).toContain('the thread broke');
    await until('it is back', () => connection.isOpen, 20_000);
    expect(await channel.queueExists(queue)).toBe(false);
  }, 20_000);

  test('that could not start its thread is a refused connection', async () => {
    await open(url);
    const refused = await rejection(connect(url, { ioThread: { execArgv: ['--import', '/nowhere/at-all.mjs'] } }));
    expect(refused).toBeInstanceOf(ConnectionRefusedError);
    expect(refused.message).toMatch(/the I\/O thread.*\/nowhere\/at-all\.mjs/s);
  });

  test('with an execArgv that Node does not take for a thread says so, and not that a broker refused', async () => {
    await open(url);
    const ioThread = { execArgv: ['--max-old-space-size=64'] };
    // Further attempts would do no better, and are not made.
    const wrong = await rejection(connect(url, { ioThread, attempts: 3, retryDelay: 600_000 }));
    expect(wrong).not.toBeInstanceOf(ConnectionRefusedError);
    expect(wrong).toMatchObject({ recoverable: false, cause: { code: 'ERR_WORKER_INVALID_EXEC_ARGV' } });
    expect(wrong.message).toMatch(/^ioThread\.execArgv: .*--max-old-space-size=64/);
  });

  test('to nowhere says what a connection without the thread says', async () => {
    await open(url);
    const nowhere = 'amqp://127.0.0.1:1';
    for (const refused of [rejection(connect(nowhere, { ioThread })), rejection(connect(nowhere))]) {
      const error = await refused;
      expect(error).toBeInstanceOf(ConnectionRefusedError);
      expect(error.message).toMatch(/^cannot connect to 127\.0\.0\.1:1: .*ECONNREFUSED/);
      expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' });
    }
  });

  test('gives up within connectTimeout where nobody answers', async () => {
    await open(url);
    proxy.swallow();
    const since = performance.now();
    const failure = await rejection(connect(url, { ioThread, handshakeTimeout: 300 }));
    expect(failure.message).toContain('connection.start');
    // A thread may take seconds to start on a machine that has other things to do.
    expect(performance.now() - since).toBeLessThan(15_000);
  }, 30_000);
});
