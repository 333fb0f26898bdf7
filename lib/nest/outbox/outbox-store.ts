/** Where messages wait that were published within a transaction of the application's own. */
import type { PublishProperties } from '../../amqp/index.js';

/** A message as it goes to the broker. */
export interface OutboxMessage {
  /** Messages with one key are published in the order in which their transactions committed. */
  readonly key: string | undefined;
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Uint8Array;
  /** With the message id, which stays the same however often it is published. */
  readonly properties: PublishProperties;
  /** Whether one that no queue takes is refused. */
  readonly mandatory: boolean;
  /** Milliseconds that it is to wait on the broker, once it was published. */
  readonly delay: number;
}

export interface StoredMessage extends OutboxMessage {
  /** The store's own. */
  readonly id: string;
  /** How often the broker has refused it. */
  readonly attempts: number;
}

/**
 * What became of a message in a round of the relay. One of which nothing is said stays as it was.
 *
 * - `published`: the broker confirmed it; it may be forgotten.
 * - `refused`: the broker did not take it. It is due again after `delay` milliseconds.
 * - `set-aside`: it is not tried any more until somebody says so. `blocks`: nor is any later one of its key.
 */
export type RelayVerdict =
  | { readonly id: string; readonly outcome: 'published' }
  | { readonly id: string; readonly outcome: 'refused'; readonly error: string; readonly delay: number }
  | { readonly id: string; readonly outcome: 'set-aside'; readonly error: string; readonly blocks: boolean };

/**
 * Publishes messages, in their order where they have one key. `signal` of the store's own aborts when its round is over before
 * that, as its connection is gone: nothing more is begun then.
 */
export type RelayPublish = (
  messages: readonly StoredMessage[],
  signal?: AbortSignal,
) => Promise<readonly RelayVerdict[]>;

/** A message that was set aside. */
export interface FailedMessage {
  /** For `retry` and `discard`. */
  readonly id: string;
  readonly messageId: string | undefined;
  readonly key: string | undefined;
  readonly exchange: string;
  readonly routingKey: string;
  /** How often the broker has refused it. */
  readonly attempts: number;
  /** What it said last. */
  readonly error: string;
  /** Whether later messages of its key wait for it. */
  readonly blocks: boolean;
  readonly addedAt: Date;
  readonly failedAt: Date;
}

export interface OutboxCounts {
  /** Messages that are still to be published, those among them that the broker refused and that are tried again. */
  readonly waiting: number;
  /** Messages that were set aside. */
  readonly failed: number;
}

/**
 * A store of your own for `OutboxModule`. What it must hold to:
 *
 * - What `add` was given is there if, and only if, the transaction committed; in the order of its messages.
 * - `relay` never has two rounds at a time, in all processes. It hands over the oldest messages that are due, and of one key
 *   none before an older one that waits, or that was set aside and blocks. What was confirmed is handed over again only where the
 *   store could not mark it.
 * - Where it cannot do that, it rejects, in bounded time, with an error of its own (best an OutboxStoreError).
 */
export interface OutboxStore<Transaction = unknown> {
  /** Adds messages within a transaction that is the caller's to commit. Throws ArgumentError for what is no transaction. */
  add(transaction: Transaction, messages: readonly OutboxMessage[]): Promise<void>;

  /**
   * One round: hands at most `limit` messages to `publish`, and does as that says. Resolves with how many it was: 0 also where
   * another relay is at work.
   */
  relay(limit: number, publish: RelayPublish): Promise<number>;

  /** Messages that were set aside, the oldest first, at most `limit`. */
  failed(limit: number): Promise<readonly FailedMessage[]>;

  /** Messages that were set aside wait again, as if they had never been tried: those with these ids, or all. How many. */
  retry(ids: readonly string[] | undefined): Promise<number>;

  /** Forgets messages that were set aside. How many it was. */
  discard(ids: readonly string[]): Promise<number>;

  count(): Promise<OutboxCounts>;

  /** Calls the function soon after something was committed, until the returned one is called. Without it the relay looks. */
  onAdded?(listener: () => void): () => void;
}
