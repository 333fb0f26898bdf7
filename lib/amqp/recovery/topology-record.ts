/**
 * What was declared over a connection, to be declared again in its next life.
 *
 * Deduplicated over channels; forgotten when we delete or unbind it, never because a connection was lost. Pure data:
 * must not know channels or sockets.
 */
import type { FieldTable, FieldValue } from '../protocol/index.js';

/** An exchange as it was declared. */
export interface ExchangeRecord {
  /** Its name. */
  readonly name: string;
  /** `direct`, `fanout`, `topic`, `headers`, or a plugin's. */
  readonly type: string;
  /** Survives a restart of the broker. */
  readonly durable: boolean;
  /** Deleted when its last binding goes. */
  readonly autoDelete: boolean;
  /** Takes no publishes, only bindings. */
  readonly internal: boolean;
  /** Arguments of the declaration. */
  readonly arguments: Readonly<FieldTable>;
}

/** A queue as it was declared. */
export interface QueueRecord {
  /** The present name; that of a server-named queue changes with each life. */
  readonly name: string;
  /** Whether the broker chose the name. */
  readonly isServerNamed: boolean;
  /** Survives a restart of the broker. */
  readonly durable: boolean;
  /** For this connection alone, and deleted with it. */
  readonly exclusive: boolean;
  /** Deleted when its last consumer goes. */
  readonly autoDelete: boolean;
  /** Arguments of the declaration. */
  readonly arguments: Readonly<FieldTable>;
}

/** A binding as it was made. */
export interface BindingRecord {
  /** What `destination` names. */
  readonly kind: 'queue' | 'exchange';
  /** The exchange that messages come from. */
  readonly source: string;
  /** The queue or exchange that they go to. */
  readonly destination: string;
  /** What their routing key is held against. */
  readonly routingKey: string;
  /** Arguments of the binding: two that differ in nothing else are two. */
  readonly arguments: Readonly<FieldTable>;
}

/** What was declared over a connection, and will be declared again after a loss. Read it; the methods of channels keep it. */
export class TopologyRecord {
  readonly #exchanges = new Map<string, ExchangeRecord>();
  readonly #queues = new Map<string, QueueRecord>();
  readonly #bindings = new Map<string, BindingRecord>();
  /** Earlier names of server-named queues, each to the present one. */
  readonly #formerNames = new Map<string, string>();

  /** In the order in which they were declared. */
  get exchanges(): readonly ExchangeRecord[] {
    return [...this.#exchanges.values()];
  }

  /** In the order in which they were declared. */
  get queues(): readonly QueueRecord[] {
    return [...this.#queues.values()];
  }

  /** In the order in which they were made. */
  get bindings(): readonly BindingRecord[] {
    return [...this.#bindings.values()];
  }

  /** The queue of that present name, if it was declared. */
  queue(name: string): QueueRecord | undefined {
    return this.#queues.get(name);
  }

  /** @internal */
  addExchange(exchange: ExchangeRecord): void {
    this.#exchanges.set(exchange.name, exchange);
  }

  /**
   * With its bindings.
   *
   * @internal
   */
  removeExchange(name: string): void {
    this.#exchanges.delete(name);
    this.#removeBindings(({ kind, source, destination }) => {
      return source === name || (kind === 'exchange' && destination === name);
    });
  }

  /** @internal */
  addQueue(queue: QueueRecord): void {
    this.#queues.set(queue.name, queue);
  }

  /**
   * With its bindings.
   *
   * @internal
   */
  removeQueue(name: string): void {
    this.#queues.delete(name);
    for (const [former, present] of this.#formerNames) if (present === name) this.#formerNames.delete(former);
    this.#removeBindings(({ kind, destination }) => kind === 'queue' && destination === name);
  }

  /**
   * A server-named queue got a new name: its bindings follow.
   *
   * @internal
   */
  renameQueue(from: string, to: string): void {
    const queue = this.#queues.get(from);
    if (!queue || from === to) return;
    this.#queues.delete(from);
    this.#queues.set(to, { ...queue, name: to });
    this.#noteFormerName(from, to);
    for (const [key, binding] of [...this.#bindings]) {
      if (binding.kind !== 'queue' || binding.destination !== from) continue;
      this.#bindings.delete(key);
      this.addBinding({ ...binding, destination: to });
    }
  }

  /** The present name of a queue that may have had another in an earlier life. */
  currentName(queue: string): string {
    return this.#formerNames.get(queue) ?? queue;
  }

  /** Of all former names the first is kept, which users hold, and the last, which calls under way still use. */
  #noteFormerName(from: string, to: string): void {
    const former = [...this.#formerNames].filter(([, present]) => present === from).map(([name]) => name);
    former.forEach((name, index) => {
      if (index === 0) this.#formerNames.set(name, to);
      else this.#formerNames.delete(name);
    });
    this.#formerNames.set(from, to);
  }

  /**
   * Forgets what the other record does not hold.
   *
   * @internal
   */
  retain(other: TopologyRecord): void {
    for (const name of this.#exchanges.keys()) if (!other.#exchanges.has(name)) this.#exchanges.delete(name);
    for (const name of this.#queues.keys()) if (!other.#queues.has(name)) this.#queues.delete(name);
    for (const key of this.#bindings.keys()) if (!other.#bindings.has(key)) this.#bindings.delete(key);
  }

  /** True when nothing is declared. */
  get isEmpty(): boolean {
    return this.#exchanges.size + this.#queues.size + this.#bindings.size === 0;
  }

  /** @internal */
  addBinding(binding: BindingRecord): void {
    this.#bindings.set(bindingKey(binding), binding);
  }

  /** @internal */
  removeBinding(binding: BindingRecord): void {
    this.#bindings.delete(bindingKey(binding));
  }

  #removeBindings(isGone: (binding: BindingRecord) => boolean): void {
    for (const [key, binding] of [...this.#bindings]) if (isGone(binding)) this.#bindings.delete(key);
  }
}

function bindingKey(binding: BindingRecord): string {
  const { kind, source, destination, routingKey } = binding;
  return JSON.stringify([kind, source, destination, routingKey, canonical(binding.arguments)]);
}

/** The same text for the same arguments, in whatever order they were written. */
function canonical(value: FieldValue): unknown {
  if (typeof value === 'bigint') return `${String(value)}n`;
  if (value === null || typeof value !== 'object' || value instanceof Date) return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return (value as readonly FieldValue[]).map(canonical);
  return Object.entries(value as FieldTable)
    .sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
    .map(([name, entry]) => [name, canonical(entry)]);
}
