/**
 * A topology record from RabbitMQ's definitions JSON.
 *
 * Pure data, of which nothing is believed: must not know files, HTTP, channels or connections.
 */
import { DefinitionsError } from '../errors.js';
import { maximumFieldDepth, type FieldTable, type FieldValue } from '../protocol/index.js';
import { jsonTable } from './definitions-export.js';
import { isPredeclaredExchange, isReserved } from './definitions.js';
import { TopologyRecord, type ExchangeRecord, type QueueRecord } from './topology-record.js';

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
