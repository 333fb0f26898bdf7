/**
 * One exchange: its bindings, and which of them a message takes.
 *
 * Pure; must not know queues, other exchanges or permissions. Following the bindings is virtual-host.ts.
 */
import type { FieldTable, FieldValue } from '../../amqp/protocol/index.js';
import { areEqualFields, canonicalTable } from './field-text.js';
import type { Policy } from './policies.js';
import { TopicTrie } from './topic-trie.js';

export type ExchangeType = 'direct' | 'fanout' | 'topic' | 'headers';

export const exchangeTypes: readonly ExchangeType[] = ['direct', 'fanout', 'topic', 'headers'];

export interface Binding {
  readonly source: string;
  readonly destinationKind: 'queue' | 'exchange';
  readonly destination: string;
  readonly routingKey: string;
  readonly arguments: Readonly<FieldTable>;
}

export interface ExchangeDeclaration {
  readonly name: string;
  readonly type: ExchangeType;
  readonly isDurable: boolean;
  readonly isAutoDelete: boolean;
  readonly isInternal: boolean;
  readonly arguments: Readonly<FieldTable>;
}

/** Finds the bindings that a message takes, for one type of exchange. */
interface BindingIndex {
  add(key: string, binding: Binding): void;
  remove(key: string, binding: Binding): void;
  select(routingKeys: readonly string[], headers: Readonly<FieldTable> | undefined): Iterable<Binding>;
}

export class Exchange {
  readonly declaration: ExchangeDeclaration;
  /** The policy that counts for it. */
  policy: Policy | undefined;
  readonly #bindings = new Map<string, Binding>();
  readonly #index: BindingIndex;

  constructor(declaration: ExchangeDeclaration) {
    this.declaration = declaration;
    this.#index = indexFor(declaration.type);
  }

  get name(): string {
    return this.declaration.name;
  }

  /** Where messages go that no binding takes. */
  get alternateExchange(): string | undefined {
    const name = this.declaration.arguments['alternate-exchange'] ?? this.policy?.definition['alternate-exchange'];
    return typeof name === 'string' ? name : undefined;
  }

  get bindings(): Iterable<Binding> {
    return this.#bindings.values();
  }

  get bindingCount(): number {
    return this.#bindings.size;
  }

  has(binding: Binding): boolean {
    return this.#bindings.has(bindingKey(binding));
  }

  /** Adds a binding; the same one twice is one. Answers whether it is new. */
  bind(binding: Binding): boolean {
    const key = bindingKey(binding);
    if (this.#bindings.has(key)) return false;
    this.#bindings.set(key, binding);
    this.#index.add(key, binding);
    return true;
  }

  /** Removes a binding; answers whether there was one. */
  unbind(binding: Binding): boolean {
    const key = bindingKey(binding);
    const existing = this.#bindings.get(key);
    if (!existing) return false;
    this.#bindings.delete(key);
    this.#index.remove(key, existing);
    return true;
  }

  /** The bindings that a message with these routing keys and headers takes; a destination may come up twice. */
  select(routingKeys: readonly string[], headers: Readonly<FieldTable> | undefined): Iterable<Binding> {
    return this.#index.select(routingKeys, headers);
  }
}

function bindingKey(binding: Binding): string {
  const { destinationKind, destination, routingKey } = binding;
  return JSON.stringify([destinationKind, destination, routingKey, canonicalTable(binding.arguments)]);
}

function indexFor(type: ExchangeType): BindingIndex {
  switch (type) {
    case 'direct':
      return new DirectIndex();
    case 'fanout':
      return new FanoutIndex();
    case 'topic':
      return new TopicIndex();
    case 'headers':
      return new HeadersIndex();
  }
}

class FanoutIndex implements BindingIndex {
  readonly #bindings = new Map<string, Binding>();

  add(key: string, binding: Binding): void {
    this.#bindings.set(key, binding);
  }

  remove(key: string): void {
    this.#bindings.delete(key);
  }

  select(): Iterable<Binding> {
    return this.#bindings.values();
  }
}

class DirectIndex implements BindingIndex {
  readonly #byRoutingKey = new Map<string, Map<string, Binding>>();

  add(key: string, binding: Binding): void {
    const bindings = this.#byRoutingKey.get(binding.routingKey);
    if (bindings) bindings.set(key, binding);
    else this.#byRoutingKey.set(binding.routingKey, new Map([[key, binding]]));
  }

  remove(key: string, binding: Binding): void {
    const bindings = this.#byRoutingKey.get(binding.routingKey);
    bindings?.delete(key);
    if (bindings?.size === 0) this.#byRoutingKey.delete(binding.routingKey);
  }

  *select(routingKeys: readonly string[]): Iterable<Binding> {
    for (const routingKey of routingKeys) yield* this.#byRoutingKey.get(routingKey)?.values() ?? [];
  }
}

class TopicIndex implements BindingIndex {
  readonly #patterns = new TopicTrie<Binding>();

  add(key: string, binding: Binding): void {
    this.#patterns.add(binding.routingKey, key, binding);
  }

  remove(key: string, binding: Binding): void {
    this.#patterns.remove(binding.routingKey, key);
  }

  *select(routingKeys: readonly string[]): Iterable<Binding> {
    for (const routingKey of routingKeys) yield* this.#patterns.match(routingKey);
  }
}

class HeadersIndex implements BindingIndex {
  readonly #bindings = new Map<string, Binding>();

  add(key: string, binding: Binding): void {
    this.#bindings.set(key, binding);
  }

  remove(key: string): void {
    this.#bindings.delete(key);
  }

  *select(_routingKeys: readonly string[], headers: Readonly<FieldTable> = {}): Iterable<Binding> {
    for (const binding of this.#bindings.values()) {
      if (matchesHeaders(binding.arguments, headers)) yield binding;
    }
  }
}

export function isMatchMode(value: FieldValue): boolean {
  return value === 'all' || value === 'any' || value === 'all-with-x' || value === 'any-with-x';
}

/** `x-match` of a headers binding: all or any of its arguments; `-with-x` counts those that begin with x- too. */
function matchesHeaders(expected: Readonly<FieldTable>, headers: Readonly<FieldTable>): boolean {
  const mode = typeof expected['x-match'] === 'string' ? expected['x-match'] : 'all';
  const countsExtensions = mode.endsWith('-with-x');
  const names = Object.keys(expected).filter(
    (name) => name !== 'x-match' && (countsExtensions || !name.startsWith('x-')),
  );
  const matches = (name: string): boolean => isHeaderMatch(expected[name], headers, name);
  return mode.startsWith('any') ? names.some(matches) : names.every(matches);
}

/** An argument without a value asks only that the header is there. */
function isHeaderMatch(expected: FieldValue, headers: Readonly<FieldTable>, name: string): boolean {
  if (!Object.hasOwn(headers, name)) return false;
  return expected === null || areEqualFields(expected, headers[name]);
}
