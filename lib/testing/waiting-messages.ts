/** What waits in a broker: for its consumers, who are busy with it, or for its time. */
import type { EmbeddedBroker, QueueInfo } from '../broker/index.js';
import { pause, turn } from './real-time.js';

/** Where messages wait for another try, or until they are due. */
const delayQueue = /^leveret\.delay\.\d+$/;
/** So many queues are told of. */
const mostTold = 6;
/**
 * Turns of the event loop for which nothing may happen before all is quiet. What is on its way in memory takes two in each
 * direction: one until it is written, one until it is read.
 */
const quietTurns = 8;

/** A virtual host of a broker. */
export class WaitingMessages {
  readonly #broker: EmbeddedBroker;
  readonly #virtualHost: () => string;
  /** How much was seen to happen so far. */
  readonly #seen: () => number;

  constructor(broker: EmbeddedBroker, virtualHost: () => string, seen: () => number) {
    this.#broker = broker;
    this.#virtualHost = virtualHost;
    this.#seen = seen;
  }

  /** Messages in the hands of consumers, and those that a consumer is to get. */
  get atWork(): number {
    const queues = this.#broker.inspect.queues(this.#virtualHost());
    return queues.reduce(
      (sum, queue) => sum + queue.unackedCount + (queue.consumerCount > 0 ? queue.messageCount : 0),
      0,
    );
  }

  /** Messages that go back to the queue when their time has come. */
  forRetry(queue: string): number {
    const { inspect } = this.#broker;
    const delays = inspect.queues(this.#virtualHost()).filter(({ name }) => delayQueue.test(name));
    const waiting = delays.flatMap(({ name }) => inspect.messages(name, this.#virtualHost()));
    return waiting.filter(({ routingKey }) => routingKey === queue).length;
  }

  /**
   * Resolves with true when no more than `most` messages are at work, and nothing happens any more; with false at once where
   * `isOver` says so before.
   */
  async areQuiet(isOver: () => boolean, most = 0): Promise<boolean> {
    let seen = -1;
    for (let turns = 0; turns < quietTurns; turns += 1) {
      const before = seen;
      seen = this.#seen();
      if (isOver()) return false;
      if (this.atWork > most) {
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
