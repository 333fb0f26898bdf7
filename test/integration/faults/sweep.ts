/**
 * Loops that put one fault at every position of a handshake or a recovery: a cut after each byte (scenario 8), a cut at
 * each frame (9), `close()` at each frame (11). Quick tests step over most positions, `npm run test:chaos` over
 * none.
 */
import { connect, ConnectionClosedError, type Channel, type Connection } from 'leveret/amqp';
import type { TestBroker } from '../../support/brokers.js';
import { directions, TcpProxy, type Behaviour, type Direction, type FrameFault } from '../../support/tcp-proxy.js';
import { pause, rejection, until } from '../../support/waiting.js';
import { fast, Witness } from './support.js';

/** A frame of a recovery that went well. */
interface Step {
  readonly direction: Direction;
  readonly ordinal: number;
  readonly name: string;
}

interface Measured {
  readonly steps: readonly Step[];
  /** Bytes until `recovered`. */
  readonly bytes: Readonly<Record<Direction, number>>;
}

export interface SweepResult {
  readonly positions: number;
  /** Bytes of a whole handshake or recovery. */
  readonly bytes?: Readonly<Record<Direction, number>>;
}

function placeOf({ direction, ordinal, name }: Step): string {
  return `frame ${String(ordinal)} ${direction} (${name})`;
}

/** The position at which something failed belongs into its error. */
async function at<Result>(position: string, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    throw new Error(`at ${position}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Runs over the items, so many at a time. */
async function overAll<Item>(items: readonly Item[], width: number, run: (item: Item) => Promise<void>): Promise<void> {
  const rest = [...items];
  const worker = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** Each `step`th position up to the last, which is always one of them. */
function positionsUpTo(total: number, step: number): number[] {
  return [...Array.from({ length: Math.ceil(total / step) }, (_none, index) => index * step), total];
}

const closeTimeout = 120;
/** Closing takes two steps of that at most, and the machine its time. */
const closeLimit = 2 * closeTimeout + 1_000;

const parameters = { recovery: fast, heartbeat: 0, closeTimeout, handshakeTimeout: 3_000 } as const;

/** Scenario 8, the handshake: the first connection is cut after N bytes; the second attempt must be whole. */
export async function sweepHandshake(broker: TestBroker, step: number): Promise<SweepResult> {
  const measured = await TcpProxy.start(broker.url);
  const whole = await connect(measured.url, parameters);
  const bytes = measured.latest.passed;
  await whole.close();
  await measured.stop();
  let positions = 0;
  for (const direction of directions) {
    await overAll(positionsUpTo(bytes[direction], step), 4, async (count) => {
      positions += 1;
      await at(`byte ${String(count)} ${direction}`, () =>
        connectThroughCut(broker, direction, count, bytes[direction]),
      );
    });
  }
  return { positions, bytes };
}

async function connectThroughCut(
  broker: TestBroker,
  direction: Direction,
  count: number,
  total: number,
): Promise<void> {
  const proxy = await TcpProxy.start(broker.url, {
    behave: (number) =>
      number === 1
        ? {
            afterBytes: {
              direction,
              bytes: count,
              act: (connection) => {
                connection.cut();
              },
            },
          }
        : undefined,
  });
  try {
    const connection = await connect(proxy.url, { ...parameters, attempts: 2, retryDelay: 1 });
    await until('the second is the one', () => connection.isOpen && proxy.connections === 2);
    await (await connection.openChannel()).close();
    // After the very last byte the first was whole, and lost.
    if (count < total) expect(connection.epoch).toBe(1);
    expect(proxy.openConnections).toBe(1);
    await connection.close();
    await until('none is left', () => proxy.openConnections === 0);
    expect(proxy.connections).toBe(2);
  } finally {
    await proxy.stop();
  }
}

/** A connection with something of everything that a recovery brings back. */
class Rig {
  readonly proxy: TcpProxy;
  readonly witness: Witness;
  readonly #publisher: Channel;
  readonly #exchange: string;
  readonly #queue: string;
  readonly #seen = new Set<string>();
  #probes = 0;

  private constructor(proxy: TcpProxy, connection: Connection, publisher: Channel, names: [string, string]) {
    this.proxy = proxy;
    this.witness = new Witness(connection);
    this.#publisher = publisher;
    [this.#exchange, this.#queue] = names;
  }

  static async open(broker: TestBroker, names?: [string, string]): Promise<Rig> {
    const proxy = await TcpProxy.start(broker.url);
    const connection = await connect(proxy.url, parameters);
    const publisher = await connection.openChannel({ confirm: true });
    const rig = new Rig(proxy, connection, publisher, names ?? [broker.unique('sweep'), broker.unique('sweep')]);
    await rig.#declare(await connection.openChannel({ prefetch: 5 }));
    return rig;
  }

  /** Another one that declares the same, and leaves it to this one to delete it. */
  twin(broker: TestBroker): Promise<Rig> {
    return Rig.open(broker, [this.#exchange, this.#queue]);
  }

  async #declare(consumer: Channel): Promise<void> {
    const [exchange, queue] = [this.#exchange, this.#queue];
    await consumer.exchangeDeclare(exchange, 'direct');
    await consumer.exchangeDeclare(`${exchange}.2`, 'fanout');
    await consumer.exchangeBind(`${exchange}.2`, exchange, 'probe');
    await consumer.queueDeclare(queue);
    await consumer.queueBind(queue, exchange, 'probe');
    const { queue: own } = await consumer.queueDeclare('', { exclusive: true });
    await consumer.queueBind(own, `${exchange}.2`);
    await consumer.queueBind(own, exchange, 'other');
    const onDelivery = (name: string) => (delivery: { text(): string; ack(): unknown }) => {
      this.#seen.add(`${name} ${delivery.text()}`);
      delivery.ack();
    };
    await consumer.basicConsume(queue, onDelivery('named'));
    await consumer.basicConsume(own, onDelivery('own'));
  }

  /** What a recovery brings back. */
  readonly whole = { channels: 2, exchanges: 2, queues: 2, bindings: 4, consumers: 2 };

  /** Asks whether all of it works. */
  async probe(): Promise<void> {
    this.#probes += 1;
    const probe = String(this.#probes);
    await this.#publisher.publish(this.#exchange, 'probe', probe);
    await until('it is delivered to both', () => this.#seen.has(`named ${probe}`) && this.#seen.has(`own ${probe}`));
  }

  /** Cuts, and lets the connection that follows meet `behaviour`. */
  cutInto(behaviour: Behaviour): void {
    const next = this.proxy.connections + 1;
    this.proxy.behave = (number) => (number === next ? behaviour : undefined);
    this.proxy.cut();
  }

  /** The frames of a recovery without a further fault, and its bytes until `recovered`. */
  async measure(): Promise<Measured> {
    const steps: Step[] = [];
    let bytes = { toBroker: 0, toClient: 0 };
    this.witness.connection.once('recovered', () => {
      bytes = { ...this.proxy.latest.passed };
    });
    let isRecovered = false;
    await this.witness.recoveredAfter(() => {
      this.cutInto({
        onFrame: (frame) => {
          if (!isRecovered) steps.push(frame);
          return frame.bytes;
        },
      });
      this.witness.connection.once('recovered', () => {
        isRecovered = true;
      });
    });
    await this.probe();
    return { steps, bytes };
  }

  /** One outage in which the next connection is lost too: it ends in one whole recovery, without a false one between. */
  async loseTwice(fault: (act: () => void) => Behaviour, mayBeWhole: boolean): Promise<void> {
    const { connection } = this.witness;
    const before = this.witness.events.length;
    const first = this.proxy.connections;
    let isCut = false;
    this.cutInto(
      fault(() => {
        isCut = true;
        this.proxy.latest.cut();
      }),
    );
    await until('it is back', () => isCut && connection.isOpen && this.proxy.connections >= first + 2);
    await until('one connection is open', () => this.proxy.openConnections === 1);
    await this.probe();
    const events = this.witness.events.slice(before).join(' ');
    // Where the client had everything already, the second cut is an outage of its own.
    if (!(mayBeWhole && events === 'lost recovered lost recovered')) expect(events).toBe('lost recovered');
    expect(this.witness.recoveries.at(-1)).toMatchObject({ restored: this.whole, broken: [] });
    expect(this.proxy.connections).toBe(first + 2);
    this.witness.expectNoListenerLeft();
  }

  async close(): Promise<void> {
    const { connection } = this.witness;
    this.proxy.behave = () => undefined;
    try {
      const channel = await connection.openChannel();
      await until('each life before has given up its consumer', async () => {
        return (await channel.queueDeclare(this.#queue, { passive: true })).consumerCount === 1;
      });
      await channel.queueDelete(this.#queue);
      for (const name of [this.#exchange, `${this.#exchange}.2`]) await channel.exchangeDelete(name);
    } finally {
      await connection.close();
      await this.proxy.stop();
    }
  }
}

/** One outage of a rig's, in which the next connection is lost as well. */
interface SecondLoss {
  readonly position: string;
  readonly fault: (act: () => void) => Behaviour;
  /** Where the client may have had everything before. */
  readonly mayBeWhole: boolean;
}

/** Several rigs share the losses: most of the time is spent waiting for the broker. */
async function sweepLosses(broker: TestBroker, lossesOf: (measured: Measured) => SecondLoss[]): Promise<SweepResult> {
  const first = await Rig.open(broker);
  const rigs = [first];
  try {
    const measured = await first.measure();
    for (let count = 1; count < 4; count++) rigs.push(await Rig.open(broker));
    const losses = lossesOf(measured);
    const rest = [...losses];
    const work = async (rig: Rig): Promise<void> => {
      for (let loss = rest.shift(); loss; loss = rest.shift()) {
        const { position, fault, mayBeWhole } = loss;
        await at(position, () => rig.loseTwice(fault, mayBeWhole));
      }
    };
    await Promise.all(rigs.map(work));
    return { positions: losses.length, bytes: measured.bytes };
  } finally {
    await Promise.all(rigs.map((rig) => rig.close()));
  }
}

/** Names and tags have a running number, which may be a digit longer in one rig than in the other: so many bytes in all. */
const tolerance = 16;

/** Scenario 8, the recovery: its connection is cut after N bytes; the next one must be whole, and the only one. */
export function sweepRecovery(broker: TestBroker, step: number): Promise<SweepResult> {
  return sweepLosses(broker, ({ bytes }) =>
    directions.flatMap((direction) =>
      positionsUpTo(bytes[direction], step).map((count) => ({
        position: `byte ${String(count)} ${direction} of ${String(bytes[direction])}`,
        fault: (act) => ({ afterBytes: { direction, bytes: count, act } }),
        mayBeWhole: count > bytes[direction] - tolerance,
      })),
    ),
  );
}

/** Scenario 9: the recovery's connection is cut at each of its frames, before it is passed on, or after. */
export function sweepSecondCut(broker: TestBroker, moments: readonly ('before' | 'after')[]): Promise<SweepResult> {
  return sweepLosses(broker, ({ steps }) => {
    const last = steps.findLast(({ direction }) => direction === 'toClient');
    return moments.flatMap((when) =>
      steps.map((step) => ({
        position: `${when} ${placeOf(step)}`,
        fault: (act) => ({ atFrame: { direction: step.direction, occurrence: step.ordinal, when, act } }),
        mayBeWhole: when === 'after' && step === last,
      })),
    );
  });
}

/** Scenario 11: `close()` when a frame of the handshake or the recovery comes by, which goes on or never arrives. */
export async function sweepClose(broker: TestBroker, isSilent: boolean): Promise<SweepResult> {
  const rig = await Rig.open(broker);
  try {
    return await closeEverywhere(rig, broker, isSilent);
  } finally {
    await rig.close();
  }
}

async function closeEverywhere(rig: Rig, broker: TestBroker, isSilent: boolean): Promise<SweepResult> {
  const { steps } = await rig.measure();
  const isHandshake = ({ name }: Step): boolean => name === 'protocol header' || name.startsWith('connection.');
  const cases = [
    ...steps.filter(isHandshake).map((step) => ({ step, life: 'first', run: () => giveUpAt(broker, step, isSilent) })),
    ...steps.map((step) => ({ step, life: 'second', run: () => closeAt(rig.twin(broker), step, isSilent) })),
  ];
  await overAll(cases, 6, async ({ step, life, run }) => {
    await at(`${placeOf(step)} of the ${life} life`, run);
  });
  return { positions: cases.length };
}

function faultAt(step: Step, isSilent: boolean, then: () => void): { atFrame: FrameFault } {
  return {
    atFrame: {
      direction: step.direction,
      occurrence: step.ordinal,
      act: (connection) => {
        if (isSilent) connection.silence();
        then();
      },
    },
  };
}

/** Before there is a connection to close, a signal stands for it. */
async function giveUpAt(broker: TestBroker, step: Step, isSilent: boolean): Promise<void> {
  const giveUp = new AbortController();
  let since = 0;
  const proxy = await TcpProxy.start(broker.url, {
    behave: () =>
      faultAt(step, isSilent, () => {
        since = performance.now();
        giveUp.abort(new Error('enough'));
      }),
  });
  try {
    const outcome = await connect(proxy.url, { ...parameters, signal: giveUp.signal }).then(
      (connection) => connection,
      (error: unknown) => error,
    );
    expect(since).toBeGreaterThan(0);
    expect(outcome).toBeInstanceOf(ConnectionClosedError);
    expect(performance.now() - since).toBeLessThan(closeLimit);
    await until('none is left', () => proxy.openConnections === 0);
    await pause(20);
    expect(proxy.connections).toBe(1);
  } finally {
    await proxy.stop();
  }
}

async function closeAt(opening: Promise<Rig>, step: Step, isSilent: boolean): Promise<void> {
  const rig = await opening;
  const { proxy, witness } = rig;
  const { connection } = witness;
  try {
    const waiting = rejection(
      new Promise<void>((_resolve, reject) => {
        connection.once('lost', () => {
          // A call that waits for the recovery must hear that there will be none.
          connection.openChannel().catch(reject);
        });
      }),
    );
    let closing: Promise<unknown> | undefined;
    const since = await new Promise<number>((resolve) => {
      rig.cutInto(
        faultAt(step, isSilent, () => {
          closing = Promise.all([connection.close(), connection.close()]);
          resolve(performance.now());
        }),
      );
    });
    await closing;
    expect(performance.now() - since).toBeLessThan(closeLimit);
    await connection.close();
    expect(await waiting).toBeInstanceOf(ConnectionClosedError);
    await until('none is left', () => proxy.openConnections === 0);
    await pause(20);
    expect(proxy.connections).toBe(2);
    expect(witness.events).toEqual(['lost', 'closed']);
    expect(connection.state).toBe('closed');
  } finally {
    await proxy.stop();
  }
}
