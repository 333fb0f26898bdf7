/**
 * A topology record as RabbitMQ's definitions JSON, and back: what `rabbitmqctl export_definitions` and
 * `import_definitions` and the management API's `/api/definitions` write and read.
 * Documented at https://www.rabbitmq.com/docs/definitions.
 *
 *   definitions = { "exchanges": [...], "queues": [...], "bindings": [...], users, policies, ...: not ours }
 *
 * Pure data: must not know files, HTTP, channels or connections.
 */
import { ArgumentError, DefinitionsError } from '../errors.js';
import { maximumFieldDepth, TypedField, type FieldTable, type FieldValue } from '../protocol/index.js';
import { TopologyRecord, type BindingRecord, type ExchangeRecord, type QueueRecord } from './topology-record.js';

/** What JSON and RabbitMQ's import of it can hold of an argument; there is no null in it. */
export type DefinitionsValue =
  string | number | boolean | readonly DefinitionsValue[] | { readonly [name: string]: DefinitionsValue };

/** Arguments of a declaration, by name. */
export type DefinitionsArguments = Readonly<Record<string, DefinitionsValue>>;

/** An exchange, as RabbitMQ's definitions say it. */
export interface ExchangeDefinition {
  /** Its name. */
  readonly name: string;
  /** The virtual host it is in. */
  readonly vhost: string;
  /** `direct`, `fanout`, `topic`, `headers`, or a plugin's. */
  readonly type: string;
  /** Survives a restart of the broker. */
  readonly durable: boolean;
  /** Deleted when the last that needs it goes. */
  readonly auto_delete: boolean;
  /** Takes no publishes, only bindings. */
  readonly internal: boolean;
  /** Arguments of the declaration. */
  readonly arguments: DefinitionsArguments;
}

/** A queue, as RabbitMQ's definitions say it. */
export interface QueueDefinition {
  /** Its name. */
  readonly name: string;
  /** The virtual host it is in. */
  readonly vhost: string;
  /** Survives a restart of the broker. */
  readonly durable: boolean;
  /** Deleted when the last that needs it goes. */
  readonly auto_delete: boolean;
  /** Arguments of the declaration. */
  readonly arguments: DefinitionsArguments;
}

/** A binding, as RabbitMQ's definitions say it. */
export interface BindingDefinition {
  /** The exchange that messages come from. */
  readonly source: string;
  /** The virtual host it is in. */
  readonly vhost: string;
  /** The queue or exchange that they go to. */
  readonly destination: string;
  /** What `destination` names. */
  readonly destination_type: 'queue' | 'exchange';
  /** What their routing key is held against. */
  readonly routing_key: string;
  /** Arguments of the declaration. */
  readonly arguments: DefinitionsArguments;
}

/**
 * RabbitMQ's definitions, as far as a connection can declare them. There is no `vhosts` section: RabbitMQ would set the
 * description and the tags of a virtual host that exists anew.
 */
export interface RabbitmqDefinitions {
  /** Sorted by name. */
  readonly exchanges: readonly ExchangeDefinition[];
  /** Sorted by name. */
  readonly queues: readonly QueueDefinition[];
  /** Sorted by what they say. */
  readonly bindings: readonly BindingDefinition[];
}

/** Exchanges, queues and bindings; a TopologyRecord is one. */
export type TopologyEntities = Pick<TopologyRecord, 'exchanges' | 'queues' | 'bindings'>;

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

/** Names that only the broker may give. Its import skips them, with a line in its log. */
function isReserved(name: string): boolean {
  return name.startsWith('amq.');
}

/** What every virtual host has by itself: the default exchange, `amq.direct` and its like. */
function isPredeclaredExchange(name: string): boolean {
  return name === '' || isReserved(name);
}

// --- arguments ------------------------------------------------------------------------------------

function jsonTable(table: Readonly<FieldTable>, path: string, depth = 0): DefinitionsArguments {
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

// --- import ---------------------------------------------------------------------------------------

/**
 * The topology that definitions describe: `rabbitmqctl export_definitions`, the management API's, `toDefinitions`'s, or
 * written by hand.
 *
 * Entities of other virtual hosts are ignored; one that names none, as in the definitions of a single virtual host, is
 * taken. Ignored too: users, policies and all other sections, unknown fields, and what `undefinable` names, as in
 * RabbitMQ's own import. A queue's `type` of `quorum` or `stream` becomes its `x-queue-type`, unless it has one.
 * Where they are missing, `auto_delete` and `internal` are false, `routing_key` is empty, `arguments` are none; all else
 * must be there.
 *
 * @param definitions The parsed JSON, of which nothing is believed; it is copied.
 * @param virtualHost Whose entities are wanted, by default `/`.
 * @throws DefinitionsError which names every fault found.
 */
export function fromDefinitions(definitions: unknown, virtualHost = '/'): TopologyRecord {
  const faults: string[] = [];
  const topology = new TopologyRecord();
  const exchanges = new Map<string, ExchangeRecord>();
  if (!isObject(definitions)) {
    throw new DefinitionsError([`definitions: must be an object (parsed JSON), not ${kindOf(definitions)}`]);
  }
  for (const entry of entries(definitions, 'exchanges', virtualHost, faults)) readExchange(entry, topology, exchanges);
  for (const entry of entries(definitions, 'queues', virtualHost, faults)) readQueue(entry, topology);
  for (const entry of entries(definitions, 'bindings', virtualHost, faults)) readBinding(entry, topology);
  if (faults.length > 0) throw new DefinitionsError(faults);
  return topology;
}

function readExchange(entry: Entry, topology: TopologyRecord, known: Map<string, ExchangeRecord>): void {
  const name = entry.name('name');
  // RabbitMQ's own exports may hold them; they are there by themselves.
  if (name !== undefined && isPredeclaredExchange(name)) return;
  const exchange = {
    name: name ?? '',
    type: entry.name('type', { mayBeEmpty: false }) ?? '',
    durable: entry.flag('durable'),
    autoDelete: entry.flag('auto_delete', false),
    internal: entry.flag('internal', false),
    arguments: entry.table('arguments'),
  };
  if (entry.isFaulty) return;
  const other = known.get(exchange.name);
  if (other && !isSame(other, exchange)) entry.fault('name', 'is there twice, and differs');
  known.set(exchange.name, exchange);
  topology.addExchange(exchange);
}

function readQueue(entry: Entry, topology: TopologyRecord): void {
  const name = entry.name('name', { mayBeEmpty: false });
  if (name !== undefined && isReserved(name)) return;
  if (entry.flag('exclusive', false)) entry.fault('exclusive', 'definitions cannot hold an exclusive queue');
  const type = entry.optionalName('type');
  const table = entry.table('arguments');
  // A queue that got its type from the virtual host's default may have no argument that says so.
  const isTypeMissing = (type === 'quorum' || type === 'stream') && !Object.hasOwn(table, 'x-queue-type');
  const queue = {
    name: name ?? '',
    isServerNamed: false,
    durable: entry.flag('durable'),
    exclusive: false,
    autoDelete: entry.flag('auto_delete', false),
    arguments: isTypeMissing ? { ...table, 'x-queue-type': type } : table,
  };
  if (entry.isFaulty) return;
  const known = topology.queue(queue.name);
  if (known && !isSame(known, queue)) entry.fault('name', 'is there twice, and differs');
  topology.addQueue(queue);
}

function readBinding(entry: Entry, topology: TopologyRecord): void {
  const source = entry.name('source');
  const kind = entry.name('destination_type');
  const destination = entry.name('destination', { mayBeEmpty: source === '' });
  const routingKey = entry.optionalName('routing_key') ?? '';
  const table = entry.table('arguments');
  if (kind !== undefined && kind !== 'queue' && kind !== 'exchange') {
    entry.fault('destination_type', `must be "queue" or "exchange", not "${kind.slice(0, 100)}"`);
    return;
  }
  if (entry.isFaulty || source === undefined || kind === undefined || destination === undefined) return;
  if (source === '' || (kind === 'queue' && isReserved(destination))) return;
  topology.addBinding({ kind, source, destination, routingKey, arguments: table });
}

/** The entries of a section that are of the virtual host, or of none. */
function entries(definitions: object, section: string, virtualHost: string, faults: string[]): Entry[] {
  const list = own(definitions, section);
  if (list === undefined) return [];
  if (!Array.isArray(list)) {
    faults.push(`${section}: must be a list, not ${kindOf(list)}`);
    return [];
  }
  return Array.from(
    list as readonly unknown[],
    (value, index) => new Entry(value, `${section}[${String(index)}]`, faults),
  ).filter((entry) => entry.isOf(virtualHost));
}

/** One entry of a section. What it does not hold is noted as a fault, and the reading goes on. */
class Entry {
  readonly #fields: object;
  readonly #path: string;
  readonly #faults: string[];
  #isFaulty = false;

  constructor(value: unknown, path: string, faults: string[]) {
    this.#fields = isObject(value) ? value : {};
    this.#path = path;
    this.#faults = faults;
    if (isObject(value)) return;
    this.#isFaulty = true;
    faults.push(`${path}: must be an object, not ${kindOf(value)}`);
  }

  get isFaulty(): boolean {
    return this.#isFaulty;
  }

  fault(field: string, problem: string): void {
    this.#isFaulty = true;
    this.#faults.push(`${this.#path}.${field}: ${problem}`);
  }

  /** False for what is no object, too: that has been said. */
  isOf(virtualHost: string): boolean {
    if (this.#isFaulty) return false;
    const vhost = own(this.#fields, 'vhost');
    if (vhost === undefined || vhost === virtualHost) return true;
    if (typeof vhost !== 'string') this.fault('vhost', `must be a string, not ${kindOf(vhost)}`);
    return false;
  }

  /** A name of AMQP's (short string), which has to be there. */
  name(field: string, { mayBeEmpty = true } = {}): string | undefined {
    const value = own(this.#fields, field);
    const problem = value === undefined ? 'is missing' : value === '' && !mayBeEmpty ? 'is empty' : nameProblem(value);
    if (problem !== undefined) this.fault(field, problem);
    return typeof value === 'string' ? value : undefined;
  }

  optionalName(field: string): string | undefined {
    return own(this.#fields, field) === undefined ? undefined : this.name(field);
  }

  flag(field: string, missing?: boolean): boolean {
    const value = own(this.#fields, field);
    if (typeof value === 'boolean') return value;
    if (value !== undefined) this.fault(field, `must be true or false, not ${kindOf(value)}`);
    else if (missing === undefined) this.fault(field, 'is missing');
    return missing ?? false;
  }

  table(field: string): FieldTable {
    const value = own(this.#fields, field);
    // RabbitMQ takes an empty list, too: older ones wrote it for no arguments.
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return {};
    if (isObject(value)) return this.#tableOf(value, field, 0);
    this.fault(field, `must be an object, not ${kindOf(value)}`);
    return {};
  }

  #tableOf(fields: object, path: string, depth: number): FieldTable {
    if (depth >= maximumFieldDepth) {
      this.fault(path, `nested deeper than ${String(maximumFieldDepth)}`);
      return {};
    }
    // Object.fromEntries defines its fields: `__proto__` is one like any other.
    return Object.fromEntries(
      Object.entries(fields).map(([name, value]: [string, unknown]) => {
        const fieldPath = `${path}.${name.slice(0, 100)}`;
        const problem = nameProblem(name);
        if (problem !== undefined) this.fault(fieldPath, `its name ${problem}`);
        return [name, this.#valueOf(value, fieldPath, depth)];
      }),
    );
  }

  #valueOf(value: unknown, path: string, depth: number): FieldValue {
    if (typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value === 'number') {
      // The digits of a longer integer were lost when the JSON was parsed.
      if (Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))) return value;
      this.fault(path, `${String(value)} is not a number within 53 bits`);
    } else if (Array.isArray(value)) {
      if (depth + 1 < maximumFieldDepth) {
        return Array.from(value as readonly unknown[], (entry, index) =>
          this.#valueOf(entry, `${path}[${String(index)}]`, depth + 1),
        );
      }
      this.fault(path, `nested deeper than ${String(maximumFieldDepth)}`);
    } else if (isObject(value)) {
      return this.#tableOf(value, path, depth + 1);
    } else {
      this.fault(path, `must be a string, number, boolean, list or object, not ${kindOf(value)}`);
    }
    return undefined;
  }
}

/** In whatever order their arguments were written. */
function isSame(left: ExchangeRecord | QueueRecord, right: ExchangeRecord | QueueRecord): boolean {
  const text = ({ arguments: table, ...rest }: ExchangeRecord | QueueRecord): string =>
    JSON.stringify([rest, jsonTable(table, 'arguments')]);
  return text(left) === text(right);
}

function nameProblem(value: unknown): string | undefined {
  if (typeof value !== 'string') return `must be a string, not ${kindOf(value)}`;
  // It would be sent as U+FFFD: another name.
  if (/\p{Surrogate}/u.test(value)) return 'holds a lone surrogate, which UTF-8 cannot say';
  const length = Buffer.byteLength(value);
  return length > 255 ? `is ${String(length)} bytes long; AMQP allows 255` : undefined;
}

/** Never what a prototype holds. */
function own(fields: object, name: string): unknown {
  return Object.hasOwn(fields, name) ? (fields as Readonly<Record<string, unknown>>)[name] : undefined;
}

/** A Map, a Date, bytes: no parsed JSON, and would count as empty. */
function isObject(value: unknown): value is object {
  return typeof value === 'object' && Object.prototype.toString.call(value) === '[object Object]';
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return value === undefined ? 'missing' : `a ${typeof value}`;
  return Array.isArray(value) ? 'a list' : `an object (${Object.prototype.toString.call(value).slice(8, -1)})`;
}
