/** What an application publishes with inside of a transaction of its own. */
import { Inject, Injectable } from '@nestjs/common';
import { ArgumentError } from '../../amqp/index.js';
import { describeError } from '../errors.js';
import { faultsOf, isFilledName, isList, isName, isTable, type Check } from '../option-checks.js';
import type { MessageOptions } from '../publishing/publish-options.js';
import type { OutboxModuleOptions } from './outbox-options.js';
import { outboxOptionsToken, OutboxRelay } from './outbox-relay.js';
import type { FailedMessage, OutboxCounts, OutboxMessage, OutboxStore } from './outbox-store.js';
import { writeProperties } from './stored-properties.js';

const defaultFailedLimit = 100;

/** One message, typed by a map from routing key to payload. */
export type OutboxEntry<Events extends object = Record<string, unknown>> = {
  [Key in keyof Events & string]: {
    /** Default `''`: the default exchange, where the routing key is the name of a queue. */
    readonly exchange?: string | undefined;
    readonly routingKey: Key;
    /** Sent as JSON; bytes as they are. */
    readonly payload: Events[Key];
    /**
     * Messages with one key are published one after the other, in the order in which their transactions committed: the id of
     * an order, for instance. Default: none, and no order.
     */
    readonly key?: string | undefined;
    /** As those of `Publisher.publish`; a `delay` counts from when the relay publishes it. */
    readonly options?: Omit<MessageOptions, 'signal' | 'timeout'> | undefined;
  };
}[keyof Events & string];

const isText =
  (check: Check): Check =>
  (value) => {
    const problem = check(value);
    if (problem !== undefined) return problem;
    if (String(value).includes('\0')) return 'must not contain a NUL character';
    return /\p{Surrogate}/u.test(String(value)) ? 'holds a lone surrogate, which UTF-8 cannot say' : undefined;
  };

const entryChecks: Readonly<Record<keyof OutboxEntry, Check>> = {
  exchange: isText(isName),
  routingKey: isText(isName),
  payload: () => undefined,
  key: isText(isFilledName),
  options: isTable,
};

/**
 * Inject it as a class: `constructor(private readonly outbox: Outbox<ShopEvents>) {}`. What it is given becomes part of a
 * transaction: where that commits, the relay of some process publishes the message, at least once, always with the same message
 * id; where it is rolled back, there is no message.
 */
@Injectable()
export class Outbox<Events extends object = Record<string, unknown>> {
  readonly #store: OutboxStore;
  readonly #relay: OutboxRelay;

  /** Made by OutboxModule. */
  constructor(@Inject(outboxOptionsToken) options: OutboxModuleOptions, @Inject(OutboxRelay) relay: OutboxRelay) {
    this.#store = options.store;
    this.#relay = relay;
  }

  /**
   * Adds a message to what the transaction writes; resolves with its message id. `transaction` is what the store takes for one:
   * for PostgresOutboxStore a client of `pg` in a transaction, or `{ query }` around that of another library; for
   * MemoryOutboxStore a MemoryTransaction; in an idempotent handler `currentTransaction()`.
   *
   * Inside a handler it carries on correlation and trace, as Publisher does. Rejects with ArgumentError for what cannot be sent,
   * and with what the transaction rejects with, which is yours to roll back then.
   */
  async publish(transaction: unknown, entry: OutboxEntry<Events>): Promise<string> {
    const message = await this.#message(entry, 'message');
    await this.#store.add(transaction, [message]);
    return message.properties.messageId ?? '';
  }

  /** As `publish`, for several, in this order and in one statement; resolves with their message ids. All are added or none. */
  async publishAll(transaction: unknown, entries: readonly OutboxEntry<Events>[]): Promise<string[]> {
    const problem = isList(entries);
    if (problem !== undefined) throw new ArgumentError('messages', problem);
    const messages: OutboxMessage[] = [];
    for (const [index, entry] of entries.entries()) {
      messages.push(await this.#message(entry, `messages[${String(index)}]`));
    }
    if (messages.length > 0) await this.#store.add(transaction, messages);
    return messages.map(({ properties }) => properties.messageId ?? '');
  }

  /** Messages that were set aside, the oldest first: at most `limit`, 100 unless said. */
  async failed(limit: number = defaultFailedLimit): Promise<readonly FailedMessage[]> {
    return this.#store.failed(limit);
  }

  /** Messages that were set aside are tried again: those with these ids, or all. Resolves with how many it is. */
  async retry(ids?: readonly string[]): Promise<number> {
    const count = await this.#store.retry(ids);
    this.#relay.wake();
    return count;
  }

  /** Forgets messages that were set aside; later ones of their key that waited for them go on. How many it was. */
  async discard(ids: readonly string[]): Promise<number> {
    const count = await this.#store.discard(ids);
    this.#relay.wake();
    return count;
  }

  /** How many messages wait to be published, and how many were set aside: for health and metrics. */
  async count(): Promise<OutboxCounts> {
    return this.#store.count();
  }

  async #message(entry: OutboxEntry<Events>, where: string): Promise<OutboxMessage> {
    const faults = faultsOf(entry, entryChecks, `${where}.`);
    if (faults.length > 0) throw new ArgumentError(where, faults.join('; '));
    const { exchange = '', routingKey, payload, key, options = {} } = entry;
    if ((routingKey as unknown) === undefined) throw new ArgumentError(where, 'option "routingKey" is missing');
    for (const name of ['signal', 'timeout']) {
      if (Object.hasOwn(options, name)) throw new ArgumentError(where, `option "${name}" is for what is sent at once`);
    }
    try {
      const { body, properties, mandatory, delay } = await this.#relay
        .publisher(exchange)
        .prepare(routingKey, payload, options);
      writeProperties(properties);
      return {
        key,
        exchange,
        routingKey,
        body: typeof body === 'string' ? Buffer.from(body) : body,
        properties,
        mandatory,
        delay,
      };
    } catch (error) {
      if (error instanceof ArgumentError && where === 'message') throw error;
      throw new ArgumentError(where, describeError(error).message, { cause: error });
    }
  }
}
