/** What an application declared, as data that stays the same from run to run. */
import type { FieldTable } from '../amqp/index.js';
import type { EmbeddedBroker, ExchangeType, QueueInfo, QueueType } from '../broker/index.js';

/** Sorted by their names; flags and arguments that are not set are left out. */
export interface TopologySnapshot {
  readonly exchanges: readonly SnapshotExchange[];
  readonly queues: readonly SnapshotQueue[];
  readonly bindings: readonly SnapshotBinding[];
}

export interface SnapshotExchange {
  readonly name: string;
  readonly type: ExchangeType;
  readonly durable: boolean;
  readonly autoDelete?: true;
  readonly internal?: true;
  readonly arguments?: Readonly<FieldTable>;
}

export interface SnapshotQueue {
  readonly name: string;
  readonly type: QueueType;
  readonly durable: boolean;
  readonly exclusive?: true;
  readonly autoDelete?: true;
  readonly arguments?: Readonly<FieldTable>;
}

export interface SnapshotBinding {
  readonly source: string;
  /** The name of a queue, or `exchange:` and the name of an exchange. */
  readonly destination: string;
  readonly routingKey: string;
  readonly arguments?: Readonly<FieldTable>;
}

export interface TopologyOptions {
  /** The exchanges and queues in which messages wait for a retry or a delay (`leveret.delay...`), too. Default false. */
  delays?: boolean | undefined;
  /** Another name in place of one that is made anew in each run. Names that the broker made are `<generated 1>`, and so on. */
  rename?: ((name: string) => string) | undefined;
}

/** Names that RabbitMQ has from the start. */
const predeclared = /^amq\.(direct|fanout|topic|headers|match)$/;
const generated = 'amq.gen-';
const ofDelays = /^leveret\.delay(\.|$)/;

export function topologySnapshot(
  broker: EmbeddedBroker,
  virtualHost: string,
  { delays = false, rename = (name) => name }: TopologyOptions,
): TopologySnapshot {
  const { inspect } = broker;
  const isMeant = (name: string): boolean => delays || !ofDelays.test(name);
  const queues = inspect.queues(virtualHost).filter(({ name }) => isMeant(name));
  const bindings = inspect
    .bindings(virtualHost)
    .filter(({ source, destination }) => isMeant(source) && isMeant(destination));
  const generatedNames = numbered(queues, (name) =>
    bindings.filter(({ destination }) => destination === name).map(({ source, routingKey }) => [source, routingKey]),
  );
  const named = (name: string): string => generatedNames.get(name) ?? rename(name);
  return {
    exchanges: inspect
      .exchanges(virtualHost)
      .filter(({ name }) => isMeant(name) && !predeclared.test(name))
      .map(({ name, type, isDurable, isAutoDelete, isInternal, arguments: table }) => ({
        name: rename(name),
        type,
        durable: isDurable,
        ...(isAutoDelete ? { autoDelete: true as const } : {}),
        ...(isInternal ? { internal: true as const } : {}),
        ...argumentsOf(table),
      }))
      .sort(byText(({ name }) => name)),
    queues: queues
      .map(({ name, type, isDurable, isExclusive, isAutoDelete, arguments: table }) => ({
        name: named(name),
        type,
        durable: isDurable,
        ...(isExclusive ? { exclusive: true as const } : {}),
        ...(isAutoDelete ? { autoDelete: true as const } : {}),
        ...argumentsOf(table),
      }))
      .sort(byText(({ name }) => name)),
    bindings: bindings
      .map(({ source, destinationKind, destination, routingKey, arguments: table }) => ({
        source: rename(source),
        destination: destinationKind === 'exchange' ? `exchange:${rename(destination)}` : named(destination),
        routingKey,
        ...argumentsOf(table),
      }))
      .sort(byText((binding) => textOf(binding))),
  };
}

/** Names that the broker made, by what is declared under them: the order in which that happened differs from run to run. */
function numbered(queues: readonly QueueInfo[], bindingsOf: (name: string) => unknown[]): Map<string, string> {
  const contents = queues
    .filter(({ name }) => name.startsWith(generated))
    .map(({ name, type, isExclusive, isAutoDelete, arguments: table }) => {
      const bound = bindingsOf(name).map(textOf).sort();
      return { name, content: textOf([type, isExclusive, isAutoDelete, argumentsOf(table), bound]) };
    })
    .sort(byText(({ content }) => content));
  return new Map(contents.map(({ name }, index) => [name, `<generated ${String(index + 1)}>`]));
}

function argumentsOf(table: Readonly<FieldTable>): { arguments?: Readonly<FieldTable> } {
  const names = Object.keys(table).sort();
  return names.length === 0 ? {} : { arguments: Object.fromEntries(names.map((name) => [name, table[name]])) };
}

/** The same for what is equal, whatever kinds of values a field table holds. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, one: unknown) => (typeof one === 'bigint' ? `${String(one)}n` : one));
}

/** By code points: a locale would sort otherwise on another machine. */
function byText<Value>(text: (value: Value) => string): (one: Value, other: Value) => number {
  return (one, other) => {
    const [left, right] = [text(one), text(other)];
    return left < right ? -1 : left > right ? 1 : 0;
  };
}
