/** An outbox in this process's memory: for tests, and where what was not published at its end may be lost. */
import { ArgumentError } from '../../amqp/index.js';
import { ConfigurationError } from '../errors.js';
import { faultsOf, isWhole } from '../option-checks.js';
import { MemoryTransaction } from '../transactions/memory-transaction.js';
import { OutboxStoreError } from './errors.js';
import type {
  FailedMessage,
  OutboxCounts,
  OutboxMessage,
  OutboxStore,
  RelayPublish,
  RelayVerdict,
  StoredMessage,
} from './outbox-store.js';

const defaultMaxMessages = 10_000;

export interface MemoryOutboxStoreOptions {
  /** Messages that it holds, those among them that were set aside; past that `publish` rejects. Default 10 000. */
  maxMessages?: number | undefined;
}

interface Entry {
  readonly message: OutboxMessage;
  readonly id: string;
  readonly addedAt: Date;
  attempts: number;
  error: string;
  /** Of the monotonic clock. */
  dueAt: number;
  failedAt: Date | undefined;
  blocks: boolean;
}

/** Its transactions are MemoryTransactions. */
export class MemoryOutboxStore implements OutboxStore<MemoryTransaction> {
  readonly #maxMessages: number;
  /** In the order of their commits. */
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<() => void>();
  #lastId = 0;
  #uncommitted = 0;
  #isRelaying = false;

  /** Throws ConfigurationError for options that are unknown or wrong. */
  constructor(options: MemoryOutboxStoreOptions = {}) {
    const faults = faultsOf(options, { maxMessages: isWhole(1, 10_000_000) });
    if (faults.length > 0) throw new ConfigurationError('MemoryOutboxStore', faults.join('; '));
    this.#maxMessages = options.maxMessages ?? defaultMaxMessages;
  }

  add(transaction: MemoryTransaction, messages: readonly OutboxMessage[]): Promise<void> {
    return new Promise((resolve) => {
      this.#add(transaction, messages);
      resolve();
    });
  }

  #add(transaction: MemoryTransaction, messages: readonly OutboxMessage[]): void {
    if (!(transaction instanceof MemoryTransaction)) {
      throw new ArgumentError('transaction', 'must be a MemoryTransaction: see MemoryTransaction.run');
    }
    if (this.#entries.size + this.#uncommitted + messages.length > this.#maxMessages) {
      throw new OutboxStoreError(`it is full: ${String(this.#maxMessages)} messages wait or were set aside`);
    }
    transaction.onEnd(() => {
      this.#uncommitted -= messages.length;
    });
    this.#uncommitted += messages.length;
    transaction.onCommit(() => {
      for (const message of messages) this.#append(message);
      this.#tell();
    });
  }

  async relay(limit: number, publish: RelayPublish): Promise<number> {
    if (this.#isRelaying) return 0;
    this.#isRelaying = true;
    try {
      const due = this.#due(limit);
      if (due.length > 0) for (const verdict of await publish(due)) this.#follow(verdict);
      return due.length;
    } finally {
      this.#isRelaying = false;
    }
  }

  failed(limit: number): Promise<readonly FailedMessage[]> {
    return Promise.resolve([...this.#entries.values()].flatMap(failedMessage).slice(0, limit));
  }

  retry(ids: readonly string[] | undefined): Promise<number> {
    const chosen = this.#setAside(ids);
    for (const entry of chosen) Object.assign(entry, { attempts: 0, dueAt: 0, failedAt: undefined, blocks: false });
    if (chosen.length > 0) this.#tell();
    return Promise.resolve(chosen.length);
  }

  discard(ids: readonly string[]): Promise<number> {
    const chosen = this.#setAside(ids);
    for (const { id } of chosen) this.#entries.delete(id);
    if (chosen.length > 0) this.#tell();
    return Promise.resolve(chosen.length);
  }

  count(): Promise<OutboxCounts> {
    const failed = this.#setAside(undefined).length;
    return Promise.resolve({ waiting: this.#entries.size - failed, failed });
  }

  onAdded(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #append(message: OutboxMessage): void {
    const id = String((this.#lastId += 1));
    const fresh = { attempts: 0, error: '', dueAt: 0, failedAt: undefined, blocks: false };
    this.#entries.set(id, { message, id, addedAt: new Date(), ...fresh });
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #due(limit: number): StoredMessage[] {
    const now = performance.now();
    const held = new Set<string>();
    const due: StoredMessage[] = [];
    for (const { message, id, attempts, dueAt, failedAt, blocks } of this.#entries.values()) {
      if (due.length >= limit) break;
      const { key } = message;
      if (key !== undefined && held.has(key)) continue;
      if (failedAt === undefined && dueAt <= now) due.push({ ...message, id, attempts });
      else if (key !== undefined && (failedAt === undefined || blocks)) held.add(key);
    }
    return due;
  }

  #follow(verdict: RelayVerdict): void {
    const entry = this.#entries.get(verdict.id);
    if (!entry) return;
    if (verdict.outcome === 'published') {
      this.#entries.delete(verdict.id);
      return;
    }
    entry.attempts += 1;
    entry.error = verdict.error;
    if (verdict.outcome === 'refused') entry.dueAt = performance.now() + verdict.delay;
    else Object.assign(entry, { failedAt: new Date(), blocks: verdict.blocks });
  }

  #setAside(ids: readonly string[] | undefined): Entry[] {
    const isChosen = ({ id, failedAt }: Entry): boolean =>
      failedAt !== undefined && (ids === undefined || ids.includes(id));
    return [...this.#entries.values()].filter(isChosen);
  }
}

function failedMessage(entry: Entry): FailedMessage[] {
  const { id, message, attempts, error, blocks, addedAt, failedAt } = entry;
  if (failedAt === undefined) return [];
  const { key, exchange, routingKey, properties } = message;
  return [
    { id, messageId: properties.messageId, key, exchange, routingKey, attempts, error, blocks, addedAt, failedAt },
  ];
}
