/** What waits in a broker: for its consumers, who are busy with it, or for its time. */
import type { EmbeddedBroker, Message, QueueInfo } from '../broker/index.js';
import { now, pause, turn } from './real-time.js';

/** Where messages wait for another try, or until they are due. */
const delayQueue = /^leveret\.delay\.\d+$/;
/** So many queues are told of. */
const mostTold = 6;
/**
 * Turns of the event loop for which nothing may happen before all is quiet. What is on its way in memory takes two in each
 * direction: one until it is written, one until it is read.
 */
const quietTurns = 8;

/** Milliseconds: what comes again as soon as this after it was requeued goes round, and is one delivery all the while. */
const roundPause = 100;

/** A message in the hands of a consumer, or requeued by one. */
interface Delivered {
  readonly queue: string;
  readonly message: Message;
  /** When it was delivered, first where it goes round, in real time. */
  at: number;
  /** When it was requeued; undefined while it is in the consumer's hands. */
  requeuedAt: number | undefined;
}

/** A virtual host of a broker. */
export class WaitingMessages {
  readonly #broker: EmbeddedBroker;
  readonly #virtualHost: () => string;
  /** How much was seen to happen so far, but in queues that are left. */
  readonly #seen: (isLeft: (queue: string) => boolean) => number;
  #delivered: Delivered[] = [];

  constructor(broker: EmbeddedBroker, virtualHost: () => string, seen: (isLeft: (queue: string) => boolean) => number) {
    this.#broker = broker;
    this.#virtualHost = virtualHost;
    this.#seen = seen;
    broker.on('delivered', ({ virtualHost: host, queue, message }) => {
      if (host !== virtualHost()) return;
      const before = this.#delivered.find((one) => one.queue === queue && one.message === message);
      if (!before) {
        this.#delivered.push({ queue, message, at: now(), requeuedAt: undefined });
        return;
      }
      if (before.requeuedAt !== undefined && now() - before.requeuedAt > roundPause) before.at = now();
      before.requeuedAt = undefined;
    });
    broker.on('settled', ({ virtualHost: host, queue, message, outcome }) => {
      if (host !== virtualHost()) return;
      const index = this.#delivered.findIndex((one) => one.queue === queue && one.message === message);
      const one = this.#delivered[index];
      if (!one) return;
      if (outcome === 'requeue') one.requeuedAt = now();
      else this.#delivered.splice(index, 1);
    });
  }

  /**
   * Messages in the hands of consumers, and those that a consumer is to get. `patience`: without those that somebody has had for
   * so many milliseconds, or that have gone round for as long, requeued again and again, and what waits behind them.
   */
  atWork(patience = Infinity): number {
    const queues = this.#broker.inspect.queues(this.#virtualHost());
    const counts = new Map(
      queues.map(({ name, unackedCount, messageCount }) => [name, { unackedCount, messageCount }]),
    );
    // Those of a queue that was deleted or purged end without a word.
    this.#delivered = this.#delivered.filter(({ queue, requeuedAt }) => {
      const { unackedCount = 0, messageCount = 0 } = counts.get(queue) ?? {};
      return (requeuedAt === undefined ? unackedCount : messageCount) > 0;
    });
    const long = this.#left(patience);
    return queues.reduce((sum, { name, unackedCount, messageCount, consumerCount }) => {
      const left = long.filter(({ queue }) => queue === name);
      const inHand = left.filter(({ requeuedAt }) => requeuedAt === undefined).length;
      return sum + Math.max(0, unackedCount - inHand) + (consumerCount > 0 && left.length === 0 ? messageCount : 0);
    }, 0);
  }

  #left(patience: number): Delivered[] {
    return this.#delivered.filter(({ at, requeuedAt }) => {
      if (requeuedAt !== undefined && now() - requeuedAt > roundPause) return false;
      return now() - at >= patience;
    });
  }

  /** Messages that go back to the queue when their time has come. */
  forRetry(queue: string): number {
    const { inspect } = this.#broker;
    const delays = inspect.queues(this.#virtualHost()).filter(({ name }) => delayQueue.test(name));
    const waiting = delays.flatMap(({ name }) => inspect.messages(name, this.#virtualHost()));
    return waiting.filter(({ routingKey }) => routingKey === queue).length;
  }

  /**
   * Resolves with true when nothing is at work, and nothing happens any more; with false at once where `isOver` says so before.
   * `patience`: as `atWork`.
   */
  async areQuiet(isOver: () => boolean, patience?: number): Promise<boolean> {
    let seen = -1;
    for (let turns = 0; turns < quietTurns; turns += 1) {
      const before = seen;
      const left = new Set(patience === undefined ? [] : this.#left(patience).map(({ queue }) => queue));
      seen = this.#seen((queue) => left.has(queue));
      if (isOver()) return false;
      if (this.atWork(patience) > 0) {
        turns = 0;
        await pause(1);
      } else {
        if (seen !== before) turns = 0;
        await turn();
      }
    }
    return true;
  }

  /** What waits, in words, one queue in each. */
  told(): string[] {
    const queues = this.#broker.inspect
      .queues(this.#virtualHost())
      .filter(({ messageCount, unackedCount }) => messageCount + unackedCount > 0)
      .sort((one, other) => rank(one) - rank(other));
    const lines = queues.slice(0, mostTold).map(toldOf);
    if (queues.length > mostTold) lines.push(`and ${String(queues.length - mostTold)} more queues`);
    const due = this.#broker.untilNextDue;
    if (due !== undefined) lines.push(`the next is due in ${String(Math.ceil(due))} ms (advance)`);
    return lines;
  }
}

/** What is at work first, what waits for nobody last. */
function rank({ unackedCount, consumerCount }: QueueInfo): number {
  return unackedCount > 0 ? 0 : consumerCount > 0 ? 1 : 2;
}

/** One queue in words. */
export function toldOf({ name, messageCount, unackedCount, consumerCount }: QueueInfo): string {
  const counts = `${String(messageCount)} ready, ${String(unackedCount)} delivered, ${String(consumerCount)} consumers`;
  return `"${name}" (${counts})`;
}
