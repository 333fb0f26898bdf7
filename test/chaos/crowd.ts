/**
 * Five publishers and five consumers, each with a connection of its own through a proxy of its own, who write down all that
 * they do. Knows no faults; must not judge.
 */
import { NotSentError, UnroutableError, connect, type Channel, type Connection, type Delivery } from 'leveret/amqp';
import { TcpProxy } from '../support/tcp-proxy.js';
import { pause, until } from '../support/waiting.js';
import type { HistoryWriter, Outcome } from './history.js';
import { Random } from './random.js';
import { heartbeat } from './schedule.js';
import { bodyOf, chooseRoute, declareTicks, declareTopology, exchange, queueAt, readBody, tickKey } from './traffic.js';

export const crowdSize = 5;
/** Milliseconds: the longest delay between attempts. */
export const maxDelay = 5_000;
const mostInFlight = 200;

/** One connection and its proxy. */
export interface Member {
  readonly name: string;
  readonly proxy: TcpProxy;
  readonly connection: Connection;
  /** Outages so far. */
  readonly losses: number;
}

/** What the publishers and consumers know together. */
class Ledger {
  readonly history: HistoryWriter;
  /** By queue: sent, not seen yet, and not known to be lost to us. */
  readonly awaited = new Map<string, Set<string>>();
  /** Queues that nothing is published to at present. */
  readonly spared = new Set<string>();

  constructor(history: HistoryWriter) {
    this.history = history;
  }

  invoke(who: string, value: string, queues: readonly string[]): void {
    this.history.write(who, { what: 'publish', value, outcome: 'invoked', queues });
    for (const queue of queues) this.#awaitedIn(queue).add(value);
  }

  settle(who: string, value: string, queues: readonly string[], outcome: Outcome, error?: string): void {
    this.history.write(who, { what: 'publish', value, outcome, ...(error === undefined ? {} : { error }) });
    // Whether it comes, nobody can say.
    if (outcome !== 'ok') for (const queue of queues) this.#awaitedIn(queue).delete(value);
  }

  see(queue: string, value: string): void {
    this.#awaitedIn(queue).delete(value);
  }

  #awaitedIn(queue: string): Set<string> {
    const known = this.awaited.get(queue) ?? new Set<string>();
    this.awaited.set(queue, known);
    return known;
  }
}

/** Connects through a proxy and writes the connection's events down. */
class Client implements Member {
  readonly name: string;
  readonly proxy: TcpProxy;
  readonly connection: Connection;
  losses = 0;

  protected constructor(name: string, proxy: TcpProxy, connection: Connection, ledger: Ledger) {
    this.name = name;
    this.proxy = proxy;
    this.connection = connection;
    const note = (event: string, detail?: string): void => {
      ledger.history.write(name, { what: 'event', event, ...(detail === undefined ? {} : { detail }) });
    };
    connection.on('lost', ({ cause }) => {
      this.losses += 1;
      note('lost', cause.message);
    });
    connection.on('recovered', ({ attempts, broken }) => {
      note('recovered', `${String(attempts)} attempts${broken.map((one) => `, ${one.kind} ${one.name}`).join('')}`);
    });
    connection.on('failed', ({ cause }) => {
      note('failed', cause.message);
    });
    for (const event of ['blocked', 'unblocked', 'closed', 'healed'] as const) {
      connection.on(event, () => {
        note(event);
      });
    }
  }

  protected static async open(
    name: string,
    url: string,
    publishBuffer?: { readonly timeout: number },
  ): Promise<{ readonly proxy: TcpProxy; readonly connection: Connection }> {
    const proxy = await TcpProxy.start(url);
    const connection = await connect({
      url: proxy.url,
      connectionName: name,
      heartbeat: heartbeat / 1_000,
      recovery: { initialDelay: 100, maxDelay },
      publishBuffer,
    });
    return { proxy, connection };
  }
}

interface Habits {
  readonly publishBuffer?: { readonly timeout: number };
  readonly replayUnknown?: boolean;
  /** How many at once, and after how many milliseconds the next. */
  readonly burst: number;
  readonly rest: number;
  /** Of a body, in bytes. */
  readonly largest: number;
}

/** The publishers differ in what they want of an outage and in how they publish. */
const habits: readonly Habits[] = [
  { burst: 1, rest: 10, largest: 200 },
  { burst: 4, rest: 40, largest: 2_000, publishBuffer: { timeout: 0 } },
  { burst: 4, rest: 40, largest: 2_000, replayUnknown: true },
  { burst: 50, rest: 500, largest: 500 },
  // More than a frame.
  { burst: 2, rest: 100, largest: 300_000, replayUnknown: true },
];

export class Publisher extends Client {
  /** How many were confirmed so far. */
  confirmed = 0;
  readonly #channel: Channel;
  readonly #ledger: Ledger;
  readonly #random: Random;
  readonly #habits: Habits;
  readonly #open = new Map<string, readonly string[]>();
  #count = 0;
  #isStopped = false;
  #running: Promise<void> | undefined;

  private constructor(
    name: string,
    opened: { proxy: TcpProxy; connection: Connection },
    channel: Channel,
    ledger: Ledger,
    random: Random,
    own: Habits,
  ) {
    super(name, opened.proxy, opened.connection, ledger);
    this.#channel = channel;
    this.#ledger = ledger;
    this.#random = random;
    this.#habits = own;
  }

  static async start(place: number, url: string, ledger: Ledger, seed: number): Promise<Publisher> {
    const own = habits[place] ?? { burst: 1, rest: 10, largest: 200 };
    const name = `publisher ${String(place + 1)}`;
    const opened = await Client.open(name, url, own.publishBuffer);
    const channel = await opened.connection.openChannel({ confirm: true, replayUnknown: own.replayUnknown });
    return new Publisher(name, opened, channel, ledger, new Random(seed + place), own);
  }

  run(): void {
    this.#running = this.#run();
  }

  /** No more publishes; resolves when each has its outcome. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    // What has none in that time is the checker's to find.
    await until('every publish has an outcome', () => this.#open.size === 0, 30_000).catch(() => undefined);
  }

  /** Whether some publish for that queue has no outcome yet. */
  isPublishingTo(queue: string): boolean {
    return [...this.#open.values()].some((queues) => queues.includes(queue));
  }

  /** Asks every consumer for a sign of life; nothing is written down of it. */
  tick(): void {
    this.#channel.publish(exchange, tickKey, 'tick').catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { burst, rest } = this.#habits;
    while (!this.#isStopped) {
      for (let count = 0; count < burst && this.#open.size < mostInFlight; count++) this.#publish();
      await pause(rest);
    }
  }

  #publish(): void {
    const { key, queues } = chooseRoute(this.#random, this.#ledger.spared);
    const value = `${this.name.replace('publisher ', 'p')}-${String((this.#count += 1))}`;
    const body = bodyOf(value, this.#random.between(20, this.#habits.largest));
    this.#open.set(value, queues);
    this.#ledger.invoke(this.name, value, queues);
    const settle = (outcome: Outcome, error?: string): void => {
      this.#open.delete(value);
      this.#ledger.settle(this.name, value, queues, outcome, error);
    };
    this.#channel
      .publish(exchange, key, body, { deliveryMode: 2, messageId: value }, { mandatory: true })
      .then(() => {
        this.confirmed += 1;
        settle('ok');
      })
      .catch((error: unknown) => {
        // Two errors promise that the broker does not have it.
        const isCertain = error instanceof NotSentError || error instanceof UnroutableError;
        settle(isCertain ? 'failed' : 'unknown', (error as Error).name);
      });
  }
}

/** A consumer of one queue, with the number of its deliveries. */
interface Subscription {
  readonly queue: string;
  deliveries: number;
}

export class Consumer extends Client {
  /** Two queues with names, and the one for ticks. */
  readonly subscriptions: readonly Subscription[];

  private constructor(
    name: string,
    opened: { proxy: TcpProxy; connection: Connection },
    ledger: Ledger,
    subscriptions: readonly Subscription[],
  ) {
    super(name, opened.proxy, opened.connection, ledger);
    this.subscriptions = subscriptions;
  }

  static async start(place: number, url: string, ledger: Ledger, seed: number): Promise<Consumer> {
    const name = `consumer ${String(place + 1)}`;
    const random = new Random(seed + 100 + place);
    const opened = await Client.open(name, url);
    const [large, small] = await Promise.all([
      opened.connection.openChannel({ prefetch: 50, name: `${name} large` }),
      opened.connection.openChannel({ prefetch: 5, name: `${name} small` }),
    ]);
    const places = [place, place + 1];
    await declareTopology(large, places);
    const subscriptions: Subscription[] = [];
    for (const [index, channel] of [large, small].entries()) {
      const subscription = { queue: queueAt(place + index).name, deliveries: 0 };
      subscriptions.push(subscription);
      await channel.basicConsume(subscription.queue, (delivery) => {
        subscription.deliveries += 1;
        return take(delivery, name, subscription.queue, ledger, random);
      });
    }
    const ticks = { queue: 'ticks', deliveries: 0 };
    subscriptions.push(ticks);
    await small.basicConsume(await declareTicks(small), () => void (ticks.deliveries += 1), { noAck: true });
    return new Consumer(name, opened, ledger, subscriptions);
  }
}

/** Writes a delivery down, takes its time with some, and settles: mostly ack, now and then back to the queue. */
async function take(delivery: Delivery, who: string, queue: string, ledger: Ledger, random: Random): Promise<void> {
  const { value, isWhole } = readBody(delivery.body);
  const isGood = isWhole && delivery.properties.messageId === value;
  ledger.history.write(who, {
    what: 'deliver',
    value,
    outcome: isGood ? 'ok' : 'failed',
    queue,
    redelivered: delivery.redelivered,
  });
  ledger.see(queue, value);
  if (random.chance(0.2)) await pause(random.between(1, 20));
  // Some are still at work when the next fault comes.
  if (random.chance(0.01)) await pause(random.between(200, 1_000));
  const how = random.chance(0.03) ? 'requeue' : 'ack';
  const result = how === 'ack' ? delivery.ack() : delivery.nack();
  ledger.history.write(who, { what: 'settle', value, how, outcome: result === 'sent' ? 'ok' : 'unknown' });
}

export class Crowd {
  readonly publishers: readonly Publisher[];
  readonly consumers: readonly Consumer[];
  readonly #ledger: Ledger;

  private constructor(publishers: readonly Publisher[], consumers: readonly Consumer[], ledger: Ledger) {
    this.publishers = publishers;
    this.consumers = consumers;
    this.#ledger = ledger;
  }

  static async start(url: string, history: HistoryWriter, seed: number): Promise<Crowd> {
    const ledger = new Ledger(history);
    const places = Array.from({ length: crowdSize }, (_none, place) => place);
    // One after the other: quorum queues are declared by two, and their bindings must stand before anybody publishes.
    const consumers: Consumer[] = [];
    for (const place of places) consumers.push(await Consumer.start(place, url, ledger, seed));
    const publishers = await Promise.all(places.map((place) => Publisher.start(place, url, ledger, seed)));
    for (const publisher of publishers) publisher.run();
    return new Crowd(publishers, consumers, ledger);
  }

  get members(): readonly Member[] {
    return [...this.publishers, ...this.consumers];
  }

  /** Each member has lost its connection as often as that since `before`, all are open, nothing is broken, and everybody works. */
  async untilAlive(
    before: ReadonlyMap<string, number>,
    least: Readonly<Record<string, number>>,
    limit: number,
  ): Promise<void> {
    const missing = (): string[] => [
      ...this.members
        .filter(({ name, losses }) => losses < (before.get(name) ?? 0) + (least[name] ?? 0))
        .map(({ name }) => `${name} has not noticed`),
      ...this.members.filter(({ connection }) => !connection.isOpen).map(({ name }) => `${name} is not open`),
      ...this.members
        .filter(({ connection }) => connection.broken.length > 0)
        .map(({ name, connection }) => `${name} has broken ${connection.broken.map((one) => one.name).join(', ')}`),
    ];
    const deadline = performance.now() + limit;
    const stateSince = async (what: () => string[]): Promise<void> => {
      let ticks = 0;
      for (let left = what(); left.length > 0; left = what()) {
        if (performance.now() > deadline) throw new Error(left.join('; '));
        if (ticks++ % 20 === 0) this.publishers[0]?.tick();
        await pause(25);
      }
    };
    await stateSince(missing);
    // From here on: everybody anew.
    const confirmed = new Map(this.publishers.map((publisher) => [publisher, publisher.confirmed]));
    const delivered = new Map(
      this.consumers.flatMap(({ subscriptions }) => subscriptions.map((one) => [one, one.deliveries] as const)),
    );
    await stateSince(() => [
      ...missing(),
      ...this.publishers.filter((one) => one.confirmed === confirmed.get(one)).map(({ name }) => `${name}: no confirm`),
      ...this.consumers.flatMap(({ name, subscriptions }) =>
        subscriptions
          .filter((one) => one.deliveries === delivered.get(one))
          .map(({ queue }) => `${name}: nothing from ${queue}`),
      ),
    ]);
  }

  /** Outages so far, by name. */
  losses(): Map<string, number> {
    return new Map(this.members.map(({ name, losses }) => [name, losses]));
  }

  /** Runs `action` while nobody publishes to the queue and all that was confirmed has come out of it. */
  async sparing(queue: string, action: () => Promise<void>): Promise<void> {
    this.#ledger.spared.add(queue);
    try {
      await until(
        `nothing is on its way to ${queue}`,
        () =>
          !this.publishers.some((publisher) => publisher.isPublishingTo(queue)) &&
          (this.#ledger.awaited.get(queue)?.size ?? 0) === 0,
        30_000,
      );
      await action();
    } finally {
      this.#ledger.spared.delete(queue);
    }
  }

  /** No more publishes; waits until all that was confirmed has come out, or until waiting helps no more. */
  async drain(): Promise<void> {
    await Promise.all(this.publishers.map((publisher) => publisher.stop()));
    const awaited = (): number => [...this.#ledger.awaited.values()].reduce((sum, { size }) => sum + size, 0);
    // What does not come is the checker's to find.
    await until('all has come out', () => awaited() === 0, 30_000).catch(() => undefined);
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map(({ connection }) => connection.close()));
    await Promise.all(this.members.map(({ proxy }) => proxy.stop()));
  }
}
