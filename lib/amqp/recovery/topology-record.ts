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
  /** The names of the channels that declared it (`openChannel({ name })`), the first one first. */
  readonly declaredBy?: readonly string[] | undefined;
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
  /** The names of the channels that declared it (`openChannel({ name })`), the first one first. */
  readonly declaredBy?: readonly string[] | undefined;
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
  /** The names of the channels that declared it (`openChannel({ name })`), the first one first. */
  readonly declaredBy?: readonly string[] | undefined;
}

/** What was declared over a connection, and will be declared again after a loss. Read it; the methods of channels keep it. */
export class TopologyRecord {
  readonly #exchanges = new Map<string, ExchangeRecord>();
  readonly #queues = new Map<string, QueueRecord>();
  readonly #bindings = new Map<string, BindingRecord>();
  /** The keys of the bindings at each queue or exchange, by `endKey`. */
  readonly #bindingsAt = new Map<string, Set<string>>();
  /** Earlier names of server-named queues, each to the present one. */
  readonly #formerNames = new Map<string, string>();
  /** The other way round: the first name, which users hold, and the last, which calls under way still use. */
  readonly #formerNamesOf = new Map<string, readonly string[]>();

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

  /** The exchange of that name, if it was declared. */
  exchange(name: string): ExchangeRecord | undefined {
    return this.#exchanges.get(name);
  }

  /** The bindings that lead to a queue or exchange, and those that lead from an exchange. */
  bindingsAt(kind: 'queue' | 'exchange', name: string): readonly BindingRecord[] {
    const keys = this.#bindingsAt.get(endKey(kind, name)) ?? [];
    return [...keys].flatMap((key) => this.#bindings.get(key) ?? []);
  }

  /** True when nothing is declared. */
  get isEmpty(): boolean {
    return this.#exchanges.size + this.#queues.size + this.#bindings.size === 0;
  }

  // --- what was declared --------------------------------------------------------------------------

  /** @internal */
  addExchange(exchange: ExchangeRecord): void {
    this.#exchanges.set(exchange.name, declaredAlso(exchange, this.#exchanges.get(exchange.name)));
  }

  /** @internal */
  addQueue(queue: QueueRecord): void {
    this.#queues.set(queue.name, declaredAlso(queue, this.#queues.get(queue.name)));
  }

  /** @internal */
  addBinding(binding: BindingRecord): void {
    const key = bindingKey(binding);
    this.#bindings.set(key, declaredAlso(binding, this.#bindings.get(key)));
    for (const end of endsOf(binding)) {
      const keys = this.#bindingsAt.get(end);
      if (keys) keys.add(key);
      else this.#bindingsAt.set(end, new Set([key]));
    }
  }

  // --- what is gone -------------------------------------------------------------------------------

  /**
   * With its bindings.
   *
   * @internal
   */
  removeExchange(name: string): void {
    this.#exchanges.delete(name);
    for (const binding of this.bindingsAt('exchange', name)) this.removeBinding(binding);
  }

  /**
   * With its bindings.
   *
   * @internal
   */
  removeQueue(name: string): void {
    this.#queues.delete(name);
    for (const former of this.#formerNamesOf.get(name) ?? []) this.#formerNames.delete(former);
    this.#formerNamesOf.delete(name);
    for (const binding of this.bindingsAt('queue', name)) this.removeBinding(binding);
  }

  /**
   * With the auto-delete exchange that it was the last one to lead from, as the broker does it; and with what hangs on
   * that one.
   *
   * @internal
   */
  removeBinding(binding: BindingRecord): void {
    if (!this.#dropBinding(binding)) return;
    const { source } = binding;
    if (this.#exchanges.get(source)?.autoDelete !== true) return;
    if (!this.bindingsAt('exchange', source).some((other) => other.source === source)) this.removeExchange(source);
  }

  /** False where there is none. */
  #dropBinding(binding: BindingRecord): boolean {
    const key = bindingKey(binding);
    if (!this.#bindings.delete(key)) return false;
    for (const end of endsOf(binding)) {
      const keys = this.#bindingsAt.get(end);
      keys?.delete(key);
      if (keys?.size === 0) this.#bindingsAt.delete(end);
    }
    return true;
  }

  /**
   * Forgets what the other record does not hold.
   *
   * @internal
   */
  retain(other: TopologyRecord): void {
    for (const name of this.#exchanges.keys()) if (!other.#exchanges.has(name)) this.#exchanges.delete(name);
    for (const name of this.#queues.keys()) if (!other.#queues.has(name)) this.#queues.delete(name);
    for (const [key, binding] of [...this.#bindings]) if (!other.#bindings.has(key)) this.#dropBinding(binding);
  }

  // --- names --------------------------------------------------------------------------------------

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
    for (const binding of this.bindingsAt('queue', from)) {
      this.#dropBinding(binding);
      this.addBinding({ ...binding, destination: to });
    }
  }

  /** The present name of a queue that may have had another in an earlier life. */
  currentName(queue: string): string {
    return this.#formerNames.get(queue) ?? queue;
  }

  #noteFormerName(from: string, to: string): void {
    const [first, last] = this.#formerNamesOf.get(from) ?? [];
    this.#formerNamesOf.delete(from);
    if (last !== undefined) this.#formerNames.delete(last);
    const names = first === undefined ? [from] : [first, from];
    this.#formerNamesOf.set(to, names);
    for (const name of names) this.#formerNames.set(name, to);
  }
}

/** A binding as people read it: `source -> destination (routing key)`. */
export function bindingName({ source, destination, routingKey }: BindingRecord): string {
  return `${source} -> ${destination} (${routingKey})`;
}

/** The declaration that counts is the last one; who made it was maybe not alone. */
function declaredAlso<Entity extends { readonly declaredBy?: readonly string[] | undefined }>(
  entity: Entity,
  earlier: Entity | undefined,
): Entity {
  const names = [...new Set([...(earlier?.declaredBy ?? []), ...(entity.declaredBy ?? [])])];
  return names.length === (entity.declaredBy?.length ?? 0) ? entity : { ...entity, declaredBy: names };
}

function endKey(kind: 'queue' | 'exchange', name: string): string {
  return `${kind} ${name}`;
}

function endsOf({ kind, source, destination }: BindingRecord): readonly string[] {
  return [endKey('exchange', source), endKey(kind, destination)];
}

/** The same for the same binding, in whatever order its arguments were written. */
export function bindingKey(binding: BindingRecord): string {
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
