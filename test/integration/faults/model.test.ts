/**
 * Random declares, deletes, binds, consumes, cancels, cuts and meddling from outside, against a plain model of what the
 * broker must hold when the connection has recovered: exactly that, by what the broker itself says.
 */
import fc from 'fast-check';
import { connect, type BrokenEntity, type Channel, type Connection, type Consumer } from 'leveret/amqp';
import { describeOnEmbedded, describeOnRabbitmq, type TestBroker } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { until } from '../../support/waiting.js';

const isLong = process.env['LEVERET_CHAOS'] !== undefined;

// --- what there may be ----------------------------------------------------------------------------

const exchanges = [
  { type: 'direct', autoDelete: false },
  { type: 'topic', autoDelete: true },
  { type: 'headers', autoDelete: true },
  { type: 'fanout', autoDelete: false },
] as const;
const queues = [
  { exclusive: false, autoDelete: false },
  { exclusive: true, autoDelete: false },
  { exclusive: false, autoDelete: true },
  { exclusive: false, autoDelete: false },
] as const;
const bindingArguments = [{}, { 'x-match': 'any', kind: 'a' }, { 'x-match': 'all', kind: 'a' }] as const;

/** A binding as text: kind source destination key arguments. */
type BindingText = string;

interface Model {
  exchanges: Set<number>;
  queues: Set<number>;
  bindings: Set<BindingText>;
  /** Queue of each consumer, by its place. */
  consumers: Map<number, { queue: number; channel: number }>;
  /** Queues that others declared otherwise: ours cannot come back before they are gone. */
  usurped: Set<number>;
}

interface Real {
  readonly name: (kind: 'e' | 'q', index: number) => string;
  readonly connection: Connection;
  readonly channels: Channel[];
  readonly consumers: Map<number, Consumer>;
  readonly foreign: Channel;
  readonly cuts: Cuts;
  consumerCount: number;
}

/** A command of the model: what it does, and what the model makes of it where the broker took it. */
class Command implements fc.AsyncCommand<Model, Real> {
  constructor(
    readonly text: string,
    readonly check: (model: Readonly<Model>) => boolean,
    readonly run: (model: Model, real: Real) => Promise<void>,
  ) {}

  toString(): string {
    return this.text;
  }
}

/** Does what the broker may refuse (what it concerns may be away for now): then the model stays as it is. */
async function attempt(action: () => Promise<unknown>, onDone: () => void): Promise<void> {
  try {
    await action();
  } catch {
    return;
  }
  onDone();
}

function forgetBindings(model: Model, isGone: (parts: readonly string[]) => boolean): void {
  const sources = new Set<string>();
  for (const text of model.bindings) {
    const parts = text.split(' ');
    if (!isGone(parts)) continue;
    model.bindings.delete(text);
    sources.add(parts[1] ?? '');
  }
  // An auto-delete exchange goes with the last binding that leads from it.
  for (const source of sources) {
    const index = Number(source.slice(1));
    const isUsed = [...model.bindings].some((text) => text.split(' ')[1] === source);
    if (isUsed || exchanges[index]?.autoDelete !== true || !model.exchanges.has(index)) continue;
    forgetExchange(model, index);
  }
}

function forgetExchange(model: Model, index: number): void {
  model.exchanges.delete(index);
  const name = `e${String(index)}`;
  forgetBindings(
    model,
    ([kind, source, destination]) => source === name || (kind === 'exchange' && destination === name),
  );
}

function forgetQueue(model: Model, index: number): void {
  model.queues.delete(index);
  const name = `q${String(index)}`;
  forgetBindings(model, ([kind, , destination]) => kind === 'queue' && destination === name);
}

function forgetConsumers(model: Model, isGone: (place: number) => boolean): void {
  const left = new Set<number>();
  for (const [place, { queue }] of [...model.consumers]) {
    if (!isGone(place)) continue;
    model.consumers.delete(place);
    left.add(queue);
  }
  for (const queue of left) {
    const isConsumed = [...model.consumers.values()].some((consumer) => consumer.queue === queue);
    if (!isConsumed && queues[queue]?.autoDelete === true && model.queues.has(queue)) forgetQueue(model, queue);
  }
}

// --- commands -------------------------------------------------------------------------------------

const anExchange = fc.nat(exchanges.length - 1);
const aQueue = fc.nat(queues.length - 1);
const aChannel = fc.nat(1);
const aKey = fc.constantFrom('k', 'l');
const someArguments = fc.nat(bindingArguments.length - 1);
const always = (): boolean => true;

/** The channel of the place; a closed one was replaced. */
function channelOf(real: Real, place: number): Channel {
  const channel = real.channels[place];
  if (!channel) throw new Error(`there is no channel ${String(place)}`);
  return channel;
}

const commands: fc.Arbitrary<fc.AsyncCommand<Model, Real>>[] = [
  fc.tuple(aChannel, anExchange).map(
    ([place, index]) =>
      new Command(`declare exchange e${String(index)}`, always, async (model, real) => {
        const { type, autoDelete } = exchanges[index] ?? exchanges[0];
        const declare = channelOf(real, place).exchangeDeclare(real.name('e', index), type, { autoDelete });
        await attempt(
          () => declare,
          () => model.exchanges.add(index),
        );
      }),
  ),
  fc.tuple(aChannel, aQueue).map(
    ([place, index]) =>
      new Command(`declare queue q${String(index)}`, always, async (model, real) => {
        const { exclusive, autoDelete } = queues[index] ?? queues[0];
        const declare = channelOf(real, place).queueDeclare(real.name('q', index), { exclusive, autoDelete });
        await attempt(
          () => declare,
          () => model.queues.add(index),
        );
      }),
  ),
  fc.tuple(aChannel, anExchange).map(
    ([place, index]) =>
      new Command(`delete exchange e${String(index)}`, always, async (model, real) => {
        await attempt(
          () => channelOf(real, place).exchangeDelete(real.name('e', index)),
          () => {
            forgetExchange(model, index);
          },
        );
      }),
  ),
  fc.tuple(aChannel, aQueue).map(
    ([place, index]) =>
      new Command(`delete queue q${String(index)}`, always, async (model, real) => {
        await attempt(
          () => channelOf(real, place).queueDelete(real.name('q', index)),
          () => {
            forgetQueue(model, index);
            model.usurped.delete(index);
            // Its consumers do not come back.
            for (const [consumer, { queue }] of [...model.consumers])
              if (queue === index) model.consumers.delete(consumer);
          },
        );
      }),
  ),
  fc.tuple(aChannel, aQueue, anExchange, aKey, someArguments, fc.boolean()).map(
    ([place, queue, exchange, key, which, isUnbind]) =>
      new Command(
        `${isUnbind ? 'un' : ''}bind q${String(queue)} e${String(exchange)} ${key}`,
        always,
        async (model, real) => {
          const channel = channelOf(real, place);
          const table = bindingArguments[which] ?? {};
          const text = ['queue', `e${String(exchange)}`, `q${String(queue)}`, key, JSON.stringify(table)].join(' ');
          const ends = [real.name('q', queue), real.name('e', exchange), key, table] as const;
          await attempt(
            () => (isUnbind ? channel.queueUnbind(...ends) : channel.queueBind(...ends)),
            () => {
              if (isUnbind) forgetBindings(model, (parts) => parts.join(' ') === text);
              else model.bindings.add(text);
            },
          );
        },
      ),
  ),
  fc.tuple(aChannel, anExchange, anExchange, aKey, fc.boolean()).map(
    ([place, to, from, key, isUnbind]) =>
      new Command(`${isUnbind ? 'un' : ''}bind e${String(to)} e${String(from)} ${key}`, always, async (model, real) => {
        const channel = channelOf(real, place);
        const text = ['exchange', `e${String(from)}`, `e${String(to)}`, key, '{}'].join(' ');
        const ends = [real.name('e', to), real.name('e', from), key] as const;
        await attempt(
          () => (isUnbind ? channel.exchangeUnbind(...ends) : channel.exchangeBind(...ends)),
          () => {
            if (isUnbind) forgetBindings(model, (parts) => parts.join(' ') === text);
            else model.bindings.add(text);
          },
        );
      }),
  ),
  fc.tuple(aChannel, aQueue).map(
    ([place, queue]) =>
      new Command(`consume q${String(queue)}`, always, async (model, real) => {
        const number = real.consumerCount++;
        let consumer: Consumer | undefined;
        await attempt(
          async () => {
            consumer = await channelOf(real, place).basicConsume(real.name('q', queue), () => undefined);
          },
          () => {
            if (!consumer) return;
            real.consumers.set(number, consumer);
            model.consumers.set(number, { queue, channel: place });
          },
        );
      }),
  ),
  fc.nat(5).map(
    (which) =>
      new Command(
        'cancel a consumer',
        (model) => model.consumers.size > 0,
        async (model, real) => {
          const place = [...model.consumers.keys()][which % model.consumers.size] ?? 0;
          await real.consumers.get(place)?.cancel();
          forgetConsumers(model, (consumer) => consumer === place);
        },
      ),
  ),
  aChannel.map(
    (place) =>
      new Command(`close channel ${String(place)}`, always, async (model, real) => {
        await channelOf(real, place).close();
        real.channels[place] = await real.connection.openChannel();
        const gone = [...model.consumers].filter(([, { channel }]) => channel === place).map(([consumer]) => consumer);
        forgetConsumers(model, (consumer) => gone.includes(consumer));
      }),
  ),
  fc.constant(
    new Command('cut', always, async (_model, real) => {
      await cut(real);
    }),
  ),
  aQueue.map(
    (index) =>
      new Command(`others delete q${String(index)}`, always, async (model, real) => {
        if (queues[index]?.exclusive === true) return;
        await real.foreign.queueDelete(real.name('q', index));
        model.usurped.delete(index);
      }),
  ),
  anExchange.map(
    (index) =>
      new Command(`others delete e${String(index)}`, always, async (_model, real) => {
        await real.foreign.exchangeDelete(real.name('e', index));
      }),
  ),
  aQueue.map(
    (index) =>
      new Command(`others declare q${String(index)} otherwise`, always, async (model, real) => {
        if (queues[index]?.exclusive === true) return;
        await real.foreign.queueDelete(real.name('q', index));
        await attempt(
          () => real.foreign.queueDeclare(real.name('q', index), { arguments: { 'x-max-length': 7 } }),
          () => model.usurped.add(index),
        );
      }),
  ),
];

async function cut(real: Real): Promise<void> {
  const recovered = new Promise((resolve) => real.connection.once('recovered', resolve));
  real.cuts.cutAll();
  await recovered;
}

// --- what the broker says -------------------------------------------------------------------------

interface Holdings {
  readonly exchanges: readonly string[];
  readonly queues: readonly string[];
  readonly bindings: readonly BindingText[];
}

/** By short names, sorted. */
function holdings(
  given: { exchanges: string[]; queues: string[]; bindings: (readonly [string, string, string, string, object])[] },
  prefix: string,
): Holdings {
  const isOurs = (name: string): boolean => name.startsWith(prefix);
  const short = (name: string): string => name.slice(prefix.length);
  return {
    exchanges: given.exchanges.filter(isOurs).map(short).sort(),
    queues: given.queues.filter(isOurs).map(short).sort(),
    bindings: given.bindings
      .filter(([, source]) => isOurs(source))
      .map(([kind, source, destination, key, table]) =>
        [kind, short(source), short(destination), key, JSON.stringify(table)].join(' '),
      )
      .sort(),
  };
}

function modelHoldings(model: Model): Holdings {
  return {
    exchanges: [...model.exchanges].map((index) => `e${String(index)}`).sort(),
    queues: [...model.queues].map((index) => `q${String(index)}`).sort(),
    bindings: [...model.bindings].filter((text) => hasEnds(model, text)).sort(),
  };
}

/**
 * Without auto-delete exchanges that we forgot with their last binding, which others had taken away before: the broker
 * keeps such an exchange until somebody binds and unbinds it.
 */
function withoutIdle(held: Holdings, model: Model): Holdings {
  const isIdle = (name: string): boolean => {
    const index = Number(name.slice(1));
    const isBound = held.bindings.some((text) => text.split(' ')[1] === name);
    return exchanges[index]?.autoDelete === true && !model.exchanges.has(index) && !isBound;
  };
  return { ...held, exchanges: held.exchanges.filter((name) => !isIdle(name)) };
}

/** False for a binding to what only others declared, and took away in the end. */
function hasEnds(model: Model, text: BindingText): boolean {
  const [kind, source = '', destination = ''] = text.split(' ');
  const ends = kind === 'queue' ? model.queues : model.exchanges;
  return model.exchanges.has(Number(source.slice(1))) && ends.has(Number(destination.slice(1)));
}

/** True where a broken entity's name is that of the binding. */
function isNamed(text: BindingText, name: string, prefix: string): boolean {
  const [, source = '', destination = '', key = ''] = text.split(' ');
  return name === `${prefix}${source} -> ${prefix}${destination} (${key})`;
}

function sortedTable(table: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(table).sort(([left], [right]) => (left < right ? 1 : -1)));
}

// --- the test -------------------------------------------------------------------------------------

function holdsTheModel(broker: TestBroker, ask: (prefix: string) => Promise<Holdings> | Holdings, runs: number): void {
  test(
    'after recovery the broker holds exactly what was declared and not deleted',
    async () => {
      const run = async (sequence: Iterable<fc.AsyncCommand<Model, Real>>): Promise<void> => {
        const prefix = `${broker.unique('model')}.`;
        const cuts = new Cuts();
        const connection = await connect(broker.url, {
          transport: cuts.transport,
          recovery: { initialDelay: 1, maxDelay: 20 },
        });
        const other = await connect(broker.url);
        const channels = [await connection.openChannel(), await connection.openChannel()];
        for (const channel of channels) channel.on('lost', () => undefined);
        const real: Real = {
          name: (kind, index) => `${prefix}${kind}${String(index)}`,
          connection,
          channels,
          consumers: new Map(),
          foreign: await other.openChannel(),
          cuts,
          consumerCount: 0,
        };
        real.foreign.on('lost', () => undefined);
        const model: Model = {
          exchanges: new Set(),
          queues: new Set(),
          bindings: new Set(),
          consumers: new Map(),
          usurped: new Set(),
        };
        try {
          await fc.asyncModelRun(() => ({ model, real }), sequence);
          // What others put in our place goes, and a last loss brings back what others took.
          for (const index of model.usurped) await real.foreign.queueDelete(real.name('q', index));
          await cut(real);
          await connection.rebuild();
          // A consumer of a queue that only others declared waits for them, and so does a binding.
          const isToHeal = ({ kind, name }: BrokenEntity): boolean => {
            if (kind === 'binding') return modelHoldings(model).bindings.some((text) => isNamed(text, name, prefix));
            const place = [...real.consumers].find(([, { consumerTag }]) => consumerTag === name)?.[0];
            const queue = place === undefined ? undefined : model.consumers.get(place)?.queue;
            return kind !== 'consumer' || queue === undefined || model.queues.has(queue);
          };
          await until('all is healed', () => !connection.broken.some(isToHeal));
          expect(withoutIdle(await ask(prefix), model)).toEqual(modelHoldings(model));
          const consumed = [...model.consumers.values()].map(({ queue }) => queue);
          for (const index of model.queues) {
            const { consumerCount } = await channelOf(real, 0).queueDeclare(real.name('q', index), { passive: true });
            expect([index, consumerCount]).toEqual([index, consumed.filter((queue) => queue === index).length]);
          }
        } finally {
          await connection.close();
          for (const index of exchanges.keys()) await real.foreign.exchangeDelete(real.name('e', index));
          for (const index of queues.keys()) {
            await real.foreign.queueDelete(real.name('q', index)).catch(() => undefined);
          }
          await other.close();
        }
      };
      await fc.assert(fc.asyncProperty(fc.commands(commands, { maxCommands: 40, size: 'max' }), run), {
        numRuns: runs,
        interruptAfterTimeLimit: isLong ? 240_000 : 15_000,
      });
    },
    isLong ? 300_000 : 60_000,
  );
}

describeOnRabbitmq('the model', (broker) => {
  const management = process.env['LEVERET_TEST_MANAGEMENT_URL'];
  if (management === undefined) {
    test.skip('needs the management API: LEVERET_TEST_MANAGEMENT_URL is not set', () => undefined);
    return;
  }
  const get = async (path: string): Promise<Record<string, unknown>[]> => {
    const url = new URL(`/api/${path}`, management);
    const login = url.username === '' ? 'guest:guest' : `${url.username}:${url.password}`;
    url.username = '';
    url.password = '';
    const authorization = `Basic ${Buffer.from(login).toString('base64')}`;
    const answer = await fetch(url, { headers: { authorization } });
    if (!answer.ok) throw new Error(`${url.pathname}: ${String(answer.status)}`);
    return (await answer.json()) as Record<string, unknown>[];
  };
  holdsTheModel(
    broker,
    async (prefix) => {
      const [foundExchanges, foundQueues, bindings] = await Promise.all([
        get('exchanges/%2F?disable_stats=true'),
        get('queues/%2F?disable_stats=true&enable_queue_totals=true'),
        get('bindings/%2F'),
      ]);
      return holdings(
        {
          exchanges: foundExchanges.map(({ name }) => String(name)),
          queues: foundQueues.map(({ name }) => String(name)),
          bindings: bindings.map((binding) => [
            String(binding['destination_type']),
            String(binding['source']),
            String(binding['destination']),
            String(binding['routing_key']),
            sortedTable(binding['arguments'] as Record<string, unknown>),
          ]),
        },
        prefix,
      );
    },
    isLong ? 300 : 12,
  );
});

describeOnEmbedded('the model', (broker) => {
  holdsTheModel(
    broker,
    (prefix) => {
      const { inspect } = broker.embedded();
      return holdings(
        {
          exchanges: inspect.exchanges().map(({ name }) => name),
          queues: inspect.queues().map(({ name }) => name),
          bindings: inspect
            .bindings()
            .map(({ destinationKind: kind, source, destination, routingKey, arguments: table }) => [
              kind,
              source,
              destination,
              routingKey,
              sortedTable(table as Record<string, unknown>),
            ]),
        },
        prefix,
      );
    },
    isLong ? 2_000 : 60,
  );
});
