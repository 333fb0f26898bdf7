/**
 * A topology record as RabbitMQ's definitions JSON.
 *
 * Pure data: must not know files, HTTP, channels or connections.
 */
import { ArgumentError } from '../errors.js';
import { maximumFieldDepth, TypedField, type FieldTable, type FieldValue } from '../protocol/index.js';
import {
  isPredeclaredExchange,
  isReserved,
  type BindingDefinition,
  type DefinitionsArguments,
  type DefinitionsValue,
  type RabbitmqDefinitions,
  type TopologyEntities,
} from './definitions.js';
import type { BindingRecord, ExchangeRecord, QueueRecord } from './topology-record.js';

/**
 * The definitions of what a topology holds, ready for `JSON.stringify`.
 *
 * Sorted, down to the names of arguments, so that the same topology gives the same text in whatever order it was
 * declared. `undefinable` says what is left out.
 *
 * JSON knows no wire types: a `TypedField` becomes its plain number (a decimal the number it stands for), a bigint of
 * 53 bits a number, `undefined` is left out. Imported again, a number has the type that a plain number has.
 *
 * @param virtualHost The virtual host that the definitions are for; each entity names it.
 * @throws ArgumentError with the path of an argument that RabbitMQ's definitions cannot hold: null, Date, bytes, an
 *   integer beyond 53 bits, a number that is none.
 */
export function toDefinitions(topology: TopologyEntities, virtualHost: string): RabbitmqDefinitions {
  const { exchanges, queues, bindings } = parted(topology).definable;
  const vhost = virtualHost;
  return {
    exchanges: exchanges
      .map(({ name, type, durable, autoDelete, internal, arguments: table }) => {
        const path = `exchange "${name}": arguments`;
        return { name, vhost, type, durable, auto_delete: autoDelete, internal, arguments: jsonTable(table, path) };
      })
      .sort((left, right) => compare(left.name, right.name)),
    queues: queues
      .map(({ name, durable, autoDelete, arguments: table }) => {
        const path = `queue "${name}": arguments`;
        return { name, vhost, durable, auto_delete: autoDelete, arguments: jsonTable(table, path) };
      })
      .sort((left, right) => compare(left.name, right.name)),
    bindings: bindings
      .map(({ kind, source, destination, routingKey, arguments: table }) => ({
        source,
        vhost,
        destination,
        destination_type: kind,
        routing_key: routingKey,
        arguments: jsonTable(table, `binding "${source}" to ${kind} "${destination}": arguments`),
      }))
      .map((binding) => ({ binding, key: bindingOrder(binding) }))
      .sort((left, right) => compareLists(left.key, right.key))
      .map(({ binding }) => binding),
  };
}

/**
 * What `toDefinitions` leaves out, because RabbitMQ's definitions cannot hold it or its import skips it: queues that
 * are exclusive or named by the broker and bindings to them, names that begin with `amq.` (each broker has those
 * exchanges by itself), the default exchange and its bindings.
 */
export function undefinable(topology: TopologyEntities): TopologyEntities {
  return parted(topology).undefinable;
}

function parted(topology: TopologyEntities): Record<'definable' | 'undefinable', TopologyEntities> {
  const lost = new Set(topology.queues.filter((queue) => !isDefinableQueue(queue)).map(({ name }) => name));
  const definable = {
    exchange: ({ name }: ExchangeRecord) => !isPredeclaredExchange(name),
    queue: ({ name }: QueueRecord) => !lost.has(name),
    binding: ({ kind, source, destination }: BindingRecord) =>
      // The default exchange can be bound to nothing, and nothing to it.
      source !== '' && destination !== '' && !(kind === 'queue' && (lost.has(destination) || isReserved(destination))),
  };
  return {
    definable: {
      exchanges: topology.exchanges.filter(definable.exchange),
      queues: topology.queues.filter(definable.queue),
      bindings: topology.bindings.filter(definable.binding),
    },
    undefinable: {
      exchanges: topology.exchanges.filter((exchange) => !definable.exchange(exchange)),
      queues: topology.queues.filter((queue) => !definable.queue(queue)),
      bindings: topology.bindings.filter((binding) => !definable.binding(binding)),
    },
  };
}

function isDefinableQueue({ name, isServerNamed, exclusive }: QueueRecord): boolean {
  return !isServerNamed && !exclusive && name !== '' && !isReserved(name);
}

// --- arguments ------------------------------------------------------------------------------------

/** Arguments as the definitions hold them, sorted by name. Throws ArgumentError with the path of what JSON cannot hold. */
export function jsonTable(table: Readonly<FieldTable>, path: string, depth = 0): DefinitionsArguments {
  if (depth >= maximumFieldDepth) throw new ArgumentError(path, `nested deeper than ${String(maximumFieldDepth)}`);
  // Object.fromEntries defines its fields: `__proto__` is one like any other.
  return Object.fromEntries(
    Object.entries(table)
      .filter(([, value]) => value !== undefined)
      .sort(([left], [right]) => compare(left, right))
      .map(([name, value]) => [name, jsonValue(value, `${path}.${name}`, depth)]),
  );
}

function jsonValue(value: FieldValue, path: string, depth: number): DefinitionsValue {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' || typeof value === 'bigint') return jsonNumber(value, path);
  if (value instanceof TypedField) return jsonNumber(plainNumber(value), path);
  // As on the wire, where a hole in a list is a null.
  if (value === null || value === undefined) throw new ArgumentError(path, "RabbitMQ's definitions cannot hold null");
  if (value instanceof Date) throw new ArgumentError(path, 'JSON cannot hold a Date');
  if (ArrayBuffer.isView(value)) throw new ArgumentError(path, 'JSON cannot hold bytes');
  if (Array.isArray(value)) {
    const values = value as readonly FieldValue[];
    if (depth + 1 >= maximumFieldDepth) {
      throw new ArgumentError(path, `nested deeper than ${String(maximumFieldDepth)}`);
    }
    return values.map((entry, index) => jsonValue(entry, `${path}[${String(index)}]`, depth + 1));
  }
  return jsonTable(value as FieldTable, path, depth + 1);
}

function plainNumber({ type, value, scale }: TypedField): number | bigint {
  return type === 'decimal' ? Number(value) / 10 ** scale : value;
}

function jsonNumber(value: number | bigint, path: string): number {
  const number = Number(value);
  if (!Number.isFinite(number)) throw new ArgumentError(path, `JSON cannot hold ${String(value)}`);
  // Whoever reads the file as doubles, as JSON.parse does, would get another number.
  if (Number.isInteger(number) && !Number.isSafeInteger(number)) {
    throw new ArgumentError(path, `JSON cannot hold ${String(value)}: an integer beyond 53 bits`);
  }
  // JSON knows no negative zero.
  return number === 0 ? 0 : number;
}

// --- order ----------------------------------------------------------------------------------------

/** By code units: the same on every machine, whatever its language. */
function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function compareLists(left: readonly string[], right: readonly string[]): number {
  for (const [index, text] of left.entries()) {
    const order = compare(text, right[index] ?? '');
    if (order !== 0) return order;
  }
  return 0;
}

function bindingOrder(binding: BindingDefinition): readonly string[] {
  const { source, destination_type, destination, routing_key, arguments: table } = binding;
  return [source, destination_type, destination, routing_key, JSON.stringify(table)];
}
