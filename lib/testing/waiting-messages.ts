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

/** A message in the hands of a consumer. */
interface Delivered {
  readonly queue: string;
  readonly message: Message;
  /** When it was delivered, in real time. */
  readonly at: number;
}

/** A virtual host of a broker. */
export class WaitingMessages {
  readonly #broker: EmbeddedBroker;
  readonly #virtualHost: () => string;
  /** How much was seen to happen so far. */
  readonly #seen: () => number;
  #delivered: Delivered[] = [];

  constructor(broker: EmbeddedBroker, virtualHost: () => string, seen: () => number) {
    this.#broker = broker;
    this.#virtualHost = virtualHost;
    this.#seen = seen;
    broker.on('delivered', ({ virtualHost: host, queue, message }) => {
      if (host === virtualHost()) this.#delivered.push({ queue, message, at: now() });
    });
    broker.on('settled', ({ virtualHost: host, queue, message }) => {
      if (host !== virtualHost()) return;
      const index = this.#delivered.findIndex((one) => one.queue === queue && one.message === message);
      if (index >= 0) this.#delivered.splice(index, 1);
    });
  }

  /**
   * Messages in the hands of consumers, and those that a consumer is to get. `patience`: without those that somebody has had for
   * so many milliseconds, and what waits behind them.
   */
  atWork(patience = Infinity): number {
    const queues = this.#broker.inspect.queues(this.#virtualHost());
    const inHand = new Map(queues.map(({ name, unackedCount }) => [name, unackedCount]));
    // Those of a queue that was deleted end without a word.
    this.#delivered = this.#delivered.filter(({ queue }) => (inHand.get(queue) ?? 0) > 0);
    const long = this.#delivered.filter(({ at }) => now() - at >= patience).map(({ queue }) => queue);
    return queues.reduce((sum, { name, unackedCount, messageCount, consumerCount }) => {
      const left = long.filter((queue) => queue === name).length;
      return sum + Math.max(0, unackedCount - left) + (consumerCount > 0 && left === 0 ? messageCount : 0);
    }, 0);
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
      seen = this.#seen();
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
