/** What befalls a whole node: stopped, killed, frozen, and everybody sent away for a minute. On a node of its own. */
import { idOf, Publishes, Standards, type Witness } from '../integration/faults/support.js';
import { ownVersion, startControlledNode, type ControlledNode } from '../support/controlled-node.js';
import { pause, until } from '../support/waiting.js';

const version = process.env['LEVERET_CHAOS_VERSION'] ?? ownVersion;
/** Seconds. */
const heartbeat = 3;
const recovery = { initialDelay: 50, maxDelay: 2_000 };
/** Of a revival, in milliseconds: the back-off's cap and ten seconds. */
const revival = recovery.maxDelay + 10_000;
const limit = 180_000;

describe(`a node of RabbitMQ ${version}`, () => {
  let node: ControlledNode;

  beforeAll(async () => {
    node = await startControlledNode(version);
  }, limit);

  afterAll(async () => {
    await node.dispose();
  }, limit);

  const standards = new Standards();

  interface Load {
    readonly publisher: Witness;
    readonly consumer: Witness;
    readonly publishes: Publishes;
    /** Ids, by how often they came. */
    readonly seen: ReadonlyMap<string, number>;
    /** Both are open, and work. */
    revived(): Promise<void>;
    /** No more publishes; holds the whole to the first standard. */
    stop(): Promise<void>;
  }

  async function load(url: string): Promise<Load> {
    const parameters = { heartbeat, recovery };
    const publisher = await standards.connect(url, parameters);
    const consumer = await standards.connect(url, parameters);
    const sending = await publisher.connection.openChannel({ confirm: true });
    const receiving = await consumer.connection.openChannel({ prefetch: 20 });
    const queue = `node-${String(Date.now())}`;
    await receiving.queueDeclare(queue);
    const seen = new Map<string, number>();
    await receiving.basicConsume(queue, (delivery) => {
      const id = idOf(delivery.body);
      seen.set(id, (seen.get(id) ?? 0) + 1);
      delivery.ack();
    });
    const publishes = new Publishes();
    const timer = setInterval(() => {
      publishes.publish(sending, queue, String(publishes.attempted.size));
    }, 5);
    return {
      publisher,
      consumer,
      publishes,
      seen,
      revived: async () => {
        await until('both are open', () => publisher.connection.isOpen && consumer.connection.isOpen, revival);
        const [confirmed, delivered] = [publishes.confirmed.size, seen.size];
        await until('both work', () => publishes.confirmed.size > confirmed && seen.size > delivered, revival);
      },
      stop: async () => {
        clearInterval(timer);
        await until('each publish has an outcome', () => publishes.settled === publishes.attempted.size, 30_000);
        await until('all has come', () => [...publishes.confirmed].every((id) => seen.has(id)), 30_000);
        publishes.expectSafe(new Set(seen.keys()));
        const consumers = await node.control('list_consumers', 'queue_name');
        expect(consumers.split('\n').filter((line) => line.trim() === queue)).toHaveLength(1);
        await receiving.queueDelete(queue);
      },
    };
  }

  test(
    'scenario 2: all connections closed every 3 to 7 s for a minute: as many recoveries as closes',
    async () => {
      const { publisher, consumer, revived, stop } = await load(node.url);
      const end = performance.now() + 60_000;
      let closes = 0;
      while (performance.now() < end) {
        await pause(3_000 + Math.random() * 4_000);
        await node.control('close_all_connections', 'again');
        closes += 1;
        await until('both have noticed', () => [publisher, consumer].every(({ losses }) => losses.length === closes));
        await revived();
      }
      await stop();
      publisher.expectOutages(closes);
      consumer.expectOutages(closes);
      expect(closes).toBeGreaterThan(5);
    },
    limit,
  );

  /** Delays of attempts while the broker is down. */
  function watchDelays({ connection }: Witness): number[] {
    const delays: number[] = [];
    connection.on('reconnecting', ({ delay }) => delays.push(delay));
    return delays;
  }

  test(
    'scenario 3: the broker stopped and started: attempts are bounded and spread, and nothing is lost',
    async () => {
      const { publisher, consumer, revived, stop } = await load(node.url);
      const delays = [publisher, consumer].map(watchDelays);
      await pause(500);
      await node.stop();
      await pause(10_000);
      const attempts = delays.map(({ length }) => length);
      await node.start();
      await revived();
      await stop();
      publisher.expectOutages(1);
      consumer.expectOutages(1);
      for (const one of delays) for (const delay of one) expect(delay).toBeLessThanOrEqual(recovery.maxDelay);
      // With full jitter between 0 and 2 s the mean is a second; never is there a spin.
      for (const count of attempts) expect(count).toBeGreaterThan(4);
      for (const count of attempts) expect(count).toBeLessThan(60);
      expect(delays[0]).not.toEqual(delays[1]);
    },
    limit,
  );

  test(
    'scenario 4: kill -9, back after 20 s: no persistent confirmed message is lost',
    async () => {
      const { publisher, consumer, publishes, revived, stop } = await load(node.url);
      await until('it is under load', () => publishes.confirmed.size > 200);
      await node.kill();
      await pause(20_000);
      await node.start();
      await revived();
      await stop();
      publisher.expectOutages(1);
      consumer.expectOutages(1);
    },
    limit,
  );

  test(
    'scenario 5: frozen for three heartbeats: noticed within 2.5 time-outs, not before 0.9; no double consumer afterwards',
    async () => {
      const { publisher, consumer, revived, stop } = await load(node.url);
      await pause(1_000);
      const frozen = performance.now();
      await node.freeze();
      await pause(heartbeat * 3_000);
      await node.thaw();
      await revived();
      for (const { times, losses } of [publisher, consumer]) {
        const noticed = (times[0] ?? 0) - frozen;
        expect(noticed).toBeGreaterThan(0.9 * heartbeat * 1_000);
        expect(noticed).toBeLessThan(2.5 * heartbeat * 1_000);
        expect(losses[0]?.cause.name).toBe('HeartbeatTimeoutError');
      }
      await stop();
      publisher.expectOutages(1);
      consumer.expectOutages(1);
      // Those that the node held while it was frozen are gone, too.
      await until(
        'the broker lists two connections',
        async () =>
          (await node.control('list_connections', '--no-table-headers', 'name')).trim().split('\n').length === 2,
        20_000,
      );
    },
    limit,
  );
});
