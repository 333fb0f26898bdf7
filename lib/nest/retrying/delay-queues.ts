/**
 * The queues in which messages wait on the broker, without a plugin. For each distinct delay one fanout exchange, and bound
 * to it one durable queue, both of the same name:
 *
 *   leveret.delay.<ms>                 for a queue: whoever waits names it by the routing key; the default exchange has it next
 *   leveret.delay.<ms>.<exchange>      for an exchange: that has it next, with the routing key that it came with
 *
 * x-message-ttl takes a message out again, x-dead-letter-exchange sends it on; see "Dead Letter Exchanges" and "TTL" of the
 * RabbitMQ documentation. The names are public: whoever is allowed to may declare them in our place.
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

export function delayQueue(delay: number, exchange = ''): string {
  return `leveret.delay.${String(delay)}${exchange === '' ? '' : `.${exchange}`}`;
}

/** The delay queue for a publisher's delay: a power of two, so that there are few of them. */
export function delayStep(delay: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, delay)));
}

export function delayQueueArguments(delay: number, exchange = ''): FieldTable {
  return { 'x-message-ttl': delay, 'x-dead-letter-exchange': exchange };
}

/** A message that is to wait. */
export interface DelayedMessage {
  /** Milliseconds of its delay queue. */
  readonly delay: number;
  /** Where it goes then. */
  readonly exchange: string;
  readonly routingKey: string;
}

/** There is no delay queue, and none may be declared: the message was not sent. */
export class DelayUnavailableError extends NotSentError {
  /** The queue that is missed. */
  readonly delayQueue: string;

  constructor({ delay, exchange, routingKey }: DelayedMessage, problem: string) {
    const name = delayQueue(delay, exchange);
    super(`there is no delay queue "${name}": ${problem}`, exchange, routingKey);
    this.delayQueue = name;
  }
}

/** That a delay queue is there, or why it is not. */
export interface DelayQueueState {
  readonly isThere: boolean;
  /** In words; undefined where all is as it should be. */
  readonly problem?: string | undefined;
}

interface Known {
  readonly state: Promise<DelayQueueState>;
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
   * Declares it where it was not yet; where that is not allowed, looks whether somebody else did. Rejects where there is no
   * connection to ask.
   */
  async ensure(delay: number, exchange = ''): Promise<DelayQueueState> {
    const name = delayQueue(delay, exchange);
    const known = this.#known.get(name);
    if (known && performance.now() < known.until) return known.state;
    const asked: Known = { state: this.#declare(name, delay, exchange), until: Infinity };
    this.#known.set(name, asked);
    try {
      const state = await asked.state;
      if (!state.isThere) asked.until = performance.now() + refusalInterval;
      return state;
    } catch (error) {
      this.#known.delete(name);
      throw error;
    }
  }

  /**
   * Publishes, by `publish` to the exchange that it is given, into the delay queue. One that somebody deleted since is
   * declared anew. Rejects with DelayUnavailableError, and what `publish` rejects with.
   */
  async put(message: DelayedMessage, publish: (exchange: string) => Promise<void>): Promise<void> {
    const { delay, exchange } = message;
    const name = delayQueue(delay, exchange);
    const put = async (): Promise<void> => {
      const { isThere, problem = 'it is gone' } = await this.ensure(delay, exchange);
      if (!isThere) throw new DelayUnavailableError(message, problem);
      await publish(name);
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

  async #declare(name: string, delay: number, exchange: string): Promise<DelayQueueState> {
    const channel = await this.#connection().openChannel();
    // Refusals are looked at below.
    channel.on('lost', () => undefined);
    try {
      await Promise.all([
        channel.exchangeDeclare(name, 'fanout'),
        channel.queueDeclare(name, { arguments: delayQueueArguments(delay, exchange) }),
        channel.queueBind(name, name, ''),
      ]);
      return { isThere: true };
    } catch (error) {
      if (!(error instanceof ChannelClosedByBrokerError)) throw error;
      return await this.#lookFor(name, channel, error);
    } finally {
      await channel.close();
    }
  }

  async #lookFor(name: string, channel: Channel, refusal: Error): Promise<DelayQueueState> {
    const problem = `the queue "${name}" could not be declared: ${describeError(refusal).message}`;
    const isThere = (await channel.queueExists(name)) && (await channel.exchangeExists(name));
    return { isThere, problem: isThere ? `${problem}; it is there, and used as it is` : problem };
  }
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
