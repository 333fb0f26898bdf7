/**
 * What every fault test holds a connection to, whatever else it looks at: events in order and once, every publish with
 * an outcome, nothing unheard, and no socket, timer or listener left over.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { connect, type Channel, type Connection, type ConnectionEvents, type ConnectionParameters } from 'leveret/amqp';
import type { TestBroker } from '../../support/brokers.js';
import { TcpProxy, type TcpProxyOptions } from '../../support/tcp-proxy.js';
import { until } from '../../support/waiting.js';

/** Recovery without much waiting, so that a test is about the steps and not about the delays between them. */
export const fast = { initialDelay: 2, maxDelay: 20 };

const endings = ['lost', 'recovered', 'failed', 'closed'] as const;
const eventNames = [...endings, 'reconnecting', 'healed', 'blocked', 'unblocked'] as const;

/** A connection whose events are written down. */
export class Witness {
  readonly connection: Connection;
  /** `lost`, `recovered`, `failed` and `closed`, as they came. */
  readonly events: string[] = [];
  /** When each of them came (performance.now()). */
  readonly times: number[] = [];
  readonly recoveries: ConnectionEvents['recovered'][] = [];
  readonly losses: ConnectionEvents['lost'][] = [];
  readonly #listeners: Readonly<Record<string, number>>;

  constructor(connection: Connection) {
    this.connection = connection;
    for (const name of endings) {
      connection.on(name, () => {
        this.events.push(name);
        this.times.push(performance.now());
      });
    }
    connection.on('lost', (event) => this.losses.push(event));
    connection.on('recovered', (event) => this.recoveries.push(event));
    this.#listeners = this.#countListeners();
  }

  /** Does what brings about a loss, and waits until the connection is back; answers what came back. */
  async recoveredAfter(fault: () => unknown, limit?: number): Promise<ConnectionEvents['recovered']> {
    const count = this.recoveries.length;
    fault();
    await until('it recovers', () => this.recoveries.length > count && this.connection.isOpen, limit);
    const recovery = this.recoveries.at(-1);
    if (!recovery) throw new Error('there was no recovery');
    return recovery;
  }

  /** Exactly one `lost`, then one `recovered`, so many times; then what else is expected. */
  expectOutages(count: number, ...more: string[]): void {
    expect(this.events).toEqual([...Array.from({ length: count }, () => ['lost', 'recovered']).flat(), ...more]);
  }

  /** The connection's own waiting listens to events, too, and must stop. */
  expectNoListenerLeft(): void {
    expect(this.#countListeners()).toEqual(this.#listeners);
  }

  #countListeners(): Readonly<Record<string, number>> {
    return Object.fromEntries(eventNames.map((name) => [name, this.connection.listenerCount(name)]));
  }
}

/** Publishes, and keeps the outcome of each. */
export class Publishes {
  readonly attempted = new Set<string>();
  readonly confirmed = new Set<string>();
  /** The names of the errors of those that were not confirmed. */
  readonly failures = new Map<string, string>();
  /** When the last outcome came (performance.now()). */
  lastAt = 0;

  /** The first bytes of the body are `id` and a colon. */
  publish(channel: Channel, queue: string, id: string, padding: Uint8Array = Buffer.alloc(0)): void {
    this.attempted.add(id);
    channel
      .publish('', queue, Buffer.concat([Buffer.from(`${id}:`), padding]))
      .then(
        () => this.confirmed.add(id),
        (error: unknown) => this.failures.set(id, (error as Error).name),
      )
      .finally(() => {
        this.lastAt = performance.now();
      });
  }

  get settled(): number {
    return this.confirmed.size + this.failures.size;
  }

  /** Everything has an outcome; a confirmed message is there, and nothing is that was not sent. */
  expectSafe(seen: ReadonlySet<string>): void {
    expect(this.settled).toBe(this.attempted.size);
    expect([...this.confirmed].filter((id) => !seen.has(id))).toEqual([]);
    expect([...seen].filter((id) => !this.attempted.has(id))).toEqual([]);
  }
}

/** The id that `Publishes` put in front of a body. */
export function idOf(body: Buffer): string {
  return body.subarray(0, Math.max(0, body.indexOf(':'))).toString();
}

/** Sockets, servers and timers that keep this process alive, by kind. */
export function activeResources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** Waits until there are no more of them than there were. */
export async function untilNothingIsLeft(before: Record<string, number>): Promise<void> {
  const left = (): string[] =>
    Object.entries(activeResources())
      .filter(([kind, count]) => count > (before[kind] ?? 0))
      .map(([kind, count]) => `${String(count)} ${kind}, were ${String(before[kind] ?? 0)}`);
  await until('nothing is left over', () => left().length === 0, 3_000).catch(() => {
    throw new Error(`left over: ${left().join('; ')}`);
  });
}

const control = process.env['LEVERET_TEST_RABBITMQCTL'] ?? '';

/** How many connections of that name the broker itself knows; undefined where it cannot be asked. */
export async function connectionsAtBroker(broker: TestBroker, name: string): Promise<number | undefined> {
  if (broker.kind !== 'rabbitmq' || control === '') return undefined;
  const { stdout } = await promisify(execFile)(control, ['-q', 'list_connections', 'client_properties']);
  return stdout.split('\n').filter((line) => line.includes(`"${name}"`)).length;
}

/** Holds each test of the suite that calls it to the standards, and ends what a test has opened. */
export class Standards {
  readonly #proxies: TcpProxy[] = [];
  readonly #witnesses: Witness[] = [];
  readonly #unheard: unknown[] = [];
  #before: Record<string, number> = {};

  constructor() {
    const note = (reason: unknown): void => void this.#unheard.push(reason);
    beforeEach(() => {
      process.on('unhandledRejection', note);
      this.#before = activeResources();
    });
    afterEach(async () => {
      try {
        await this.#end();
      } finally {
        process.off('unhandledRejection', note);
      }
      expect(this.#unheard.splice(0)).toEqual([]);
    });
  }

  /** A proxy until the end of the test, by which no connection may be left open then. */
  async proxy(url: string, options?: TcpProxyOptions): Promise<TcpProxy> {
    const proxy = await TcpProxy.start(url, options);
    this.#proxies.push(proxy);
    return proxy;
  }

  /** A connection until the end of the test, at most. */
  async connect(url: ConnectionParameters['url'], parameters: ConnectionParameters = {}): Promise<Witness> {
    return this.witness(await connect({ url, recovery: fast, closeTimeout: 1_000, ...parameters }));
  }

  witness(connection: Connection): Witness {
    const witness = new Witness(connection);
    this.#witnesses.push(witness);
    return witness;
  }

  async #end(): Promise<void> {
    const proxies = this.#proxies.splice(0);
    for (const proxy of proxies) {
      proxy.behave = () => undefined;
      proxy.release();
    }
    await Promise.all(this.#witnesses.splice(0).map(({ connection }) => connection.close()));
    try {
      await until('no connection is open any more', () =>
        proxies.every(({ openConnections }) => openConnections === 0),
      );
    } finally {
      await Promise.all(proxies.map((proxy) => proxy.stop()));
    }
    await untilNothingIsLeft(this.#before);
  }
}
