/**
 * The queues in which messages wait on the broker, without a plugin. For each distinct delay there is one fanout exchange, and
 * bound to it one durable queue of the same name. When a message's time is up, its queue dead-letters it to `leveret.delay`,
 * which sends it where it is to go:
 *
 *   leveret.delay.<ms> -> leveret.delay -> leveret.delay.queues -> the queue that the routing key names
 *                                   |                      `----> leveret.delay.unroutable, where that queue is gone
 *                                   `----> the exchange that the header `leveret-to` names, with the routing key as it was,
 *                                          and leveret.delay.sink, which keeps nothing
 *
 * They are quorum queues that dead-letter at least once, and each of them has a reason that was measured:
 *
 * - A classic queue dead-letters as soon as it is recovered after a restart, when a quorum queue that it should go to is not
 *   there yet: all that fell due while the broker was away was lost.
 * - At least once means that what no queue takes is kept, and 32 of these hold up all others. Hence a queue for what belongs to
 *   a queue that is gone, and the sink: an event in which nobody is interested is no reason to stop.
 *
 * See "Quorum Queues" (dead lettering), "TTL" and "Alternate Exchanges" of the RabbitMQ documentation. The names are public:
 * whoever is allowed to may declare them in our place.
 */
import {
  ChannelClosedByBrokerError,
  NotSentError,
  UnknownOutcomeError,
  UnroutableError,
  type Channel,
  type Connection,
  type FieldTable,
} from '../../amqp/index.js';
import { describeError } from '../errors.js';

/** Milliseconds before it is asked again for what could not be declared. */
const refusalInterval = 30_000;
/** Milliseconds for which what was declared is taken to be there. That a delay queue is gone is seen by its publishes. */
const trusted = { delay: Infinity, due: 30_000, binding: 1_000 };
/** Milliseconds that a message is kept whose queue is gone: a week. */
const unroutableTime = 604_800_000;

/** Where messages go that have waited. */
export const dueExchange = 'leveret.delay';
const queuesExchange = 'leveret.delay.queues';
const unroutable = 'leveret.delay.unroutable';
const sink = 'leveret.delay.sink';
/** Names the exchange that a message is for. Its name does not begin with x-: a headers exchange would not look at it. */
export const targetHeader = 'leveret-to';

export function delayQueue(delay: number): string {
  return `leveret.delay.${String(delay)}`;
}

/** The delay queue for a publisher's delay: a power of two, so that there are few of them. */
export function delayStep(delay: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, delay)));
}

export function delayQueueArguments(delay: number): FieldTable {
  return {
    'x-queue-type': 'quorum',
    'x-message-ttl': delay,
    'x-dead-letter-exchange': dueExchange,
    'x-dead-letter-strategy': 'at-least-once',
    'x-overflow': 'reject-publish',
  };
}

/** A message that is to wait. */
export interface DelayedMessage {
  /** Milliseconds of its delay queue. */
  readonly delay: number;
  /** Where it goes then; '': to the queue that the routing key names. */
  readonly exchange: string;
  readonly routingKey: string;
}

/** There is no delay queue, and none may be declared: the message was not sent. */
export class DelayUnavailableError extends NotSentError {
  /** The queue that is missed. */
  readonly delayQueue: string;

  constructor({ delay, exchange, routingKey }: DelayedMessage, problem: string) {
    const name = delayQueue(delay);
    super(`no message can wait in the delay queue "${name}": ${problem}`, exchange, routingKey);
    this.delayQueue = name;
  }
}

/** Whether something is there, or why it is not. */
export interface DelayState {
  readonly isThere: boolean;
  /** It is there with other arguments: made by somebody for messages to queues, it is no way to an exchange. */
  readonly isOtherwise?: boolean | undefined;
  /** In words; undefined where all is as it should be. */
  readonly problem?: string | undefined;
}

interface Known {
  readonly state: Promise<DelayState>;
  /** Milliseconds on the monotonic clock from which a refusal is to be asked for again. */
  until: number;
}

export class DelayQueues {
  readonly #connection: () => Connection;
  readonly #known = new Map<string, Known>();

  constructor(connection: () => Connection) {
    this.#connection = connection;
  }

  /**
   * Declares the delay queue where it was not yet; where that is not allowed, looks whether somebody else did. Rejects where
   * there is no connection to ask.
   */
  ensureDelay(delay: number): Promise<DelayState> {
    const name = delayQueue(delay);
    return this.#once(name, (channel) => declareDelay(channel, delay), areThere([name], [name]), trusted.delay);
  }

  /**
   * As `ensureDelay`, that messages come to a queue, or to an exchange where `exchange` is not ''. Bound again and again: a
   * queue or an exchange that was deleted and made again has lost its binding, and nobody would tell.
   */
  async ensureTarget(exchange: string, queue: string): Promise<DelayState> {
    const isDueThere = areThere([dueExchange, queuesExchange], [unroutable]);
    const due = await this.#once(dueExchange, declareDue, isDueThere, trusted.due);
    if (!due.isThere) return due;
    const key = exchange === '' ? `to queue ${queue}` : `to exchange ${exchange}`;
    const bind = (channel: Channel): Promise<void> =>
      exchange === '' ? bindQueue(channel, queue) : bindExchange(channel, exchange);
    // Bindings cannot be looked at.
    return this.#once(key, bind, () => Promise.resolve(false), trusted.binding);
  }

  /**
   * Publishes, by `publish` to the exchange and with the headers that it is given, into the delay queue. One that somebody
   * deleted since is declared anew. Rejects with DelayUnavailableError, and what `publish` rejects with.
   */
  async put(message: DelayedMessage, publish: (exchange: string, headers: FieldTable) => Promise<void>): Promise<void> {
    const { delay, exchange, routingKey } = message;
    const name = delayQueue(delay);
    const put = async (): Promise<void> => {
      const [queue, target] = await Promise.all([this.ensureDelay(delay), this.ensureTarget(exchange, routingKey)]);
      const isMissing = ({ isThere, isOtherwise }: DelayState): boolean =>
        !isThere || (isOtherwise === true && exchange !== '');
      const missing = [queue, target].find(isMissing);
      if (missing) throw new DelayUnavailableError(message, missing.problem ?? 'it is gone');
      await publish(name, exchange === '' ? {} : { [targetHeader]: exchange });
    };
    try {
      await put();
    } catch (error) {
      if (!isOfMissing(name, error)) throw error;
      this.#known.delete(name);
      await put();
    }
  }

  /** Another connection may be to another broker. */
  forgetAll(): void {
    this.#known.clear();
  }

  async #once(
    key: string,
    declare: (channel: Channel) => Promise<unknown>,
    isThere: (channel: Channel) => Promise<boolean>,
    keep: number,
  ): Promise<DelayState> {
    const known = this.#known.get(key);
    if (known && performance.now() < known.until) return known.state;
    const asked: Known = { state: this.#declare(declare, isThere), until: Infinity };
    this.#known.set(key, asked);
    try {
      const state = await asked.state;
      asked.until = performance.now() + (state.isThere ? keep : Math.min(keep, refusalInterval));
      return state;
    } catch (error) {
      this.#known.delete(key);
      throw error;
    }
  }

  async #declare(
    declare: (channel: Channel) => Promise<unknown>,
    isThere: (channel: Channel) => Promise<boolean>,
  ): Promise<DelayState> {
    const channel = await this.#connection().openChannel();
    // Refusals are looked at below.
    channel.on('lost', () => undefined);
    try {
      await declare(channel);
      return { isThere: true };
    } catch (error) {
      if (!(error instanceof ChannelClosedByBrokerError)) throw error;
      const problem = `refused by the broker: ${describeError(error).message}`;
      const isUsable = await isThere(channel);
      return isUsable
        ? { isThere: true, isOtherwise: error.replyCode === 406, problem: `${problem}; it is there, and used as it is` }
        : { isThere: false, problem };
    } finally {
      await channel.close();
    }
  }
}

function declareDelay(channel: Channel, delay: number): Promise<unknown> {
  const name = delayQueue(delay);
  return Promise.all([
    channel.exchangeDeclare(name, 'fanout'),
    channel.queueDeclare(name, { arguments: delayQueueArguments(delay) }),
    channel.queueBind(name, name, ''),
  ]);
}

/** Where what has waited goes; one after the other, as they need each other, in one go. */
function declareDue(channel: Channel): Promise<unknown> {
  return Promise.all([
    channel.exchangeDeclare(unroutable, 'fanout'),
    channel.queueDeclare(unroutable, {
      arguments: { 'x-queue-type': 'quorum', 'x-message-ttl': unroutableTime },
    }),
    channel.queueBind(unroutable, unroutable, ''),
    channel.exchangeDeclare(queuesExchange, 'direct', { arguments: { 'alternate-exchange': unroutable } }),
    channel.exchangeDeclare(dueExchange, 'headers', { arguments: { 'alternate-exchange': queuesExchange } }),
    channel.queueDeclare(sink, { arguments: { 'x-max-length': 0 } }),
    channel.queueBind(sink, dueExchange, '', { 'x-match': 'any', [targetHeader]: null }),
  ]);
}

function bindQueue(channel: Channel, queue: string): Promise<void> {
  return channel.queueBind(queue, queuesExchange, queue);
}

function bindExchange(channel: Channel, exchange: string): Promise<void> {
  return channel.exchangeBind(exchange, dueExchange, '', { 'x-match': 'all', [targetHeader]: exchange });
}

function areThere(exchanges: readonly string[], queues: readonly string[]): (channel: Channel) => Promise<boolean> {
  return async (channel) => {
    const found = await Promise.all([
      ...exchanges.map((name) => channel.exchangeExists(name)),
      ...queues.map((name) => channel.queueExists(name)),
    ]);
    return found.every(Boolean);
  };
}

/** Without its queue the exchange returns what it is given; without the exchange the broker closes the channel, naming it. */
function isOfMissing(name: string, error: unknown): boolean {
  if (error instanceof UnroutableError) return true;
  if (!(error instanceof UnknownOutcomeError)) return false;
  const { cause } = error;
  return (
    cause instanceof ChannelClosedByBrokerError && cause.replyCode === 404 && cause.replyText.includes(`'${name}'`)
  );
}
