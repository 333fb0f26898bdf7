/** Moves messages that failed into a delay queue, from which they come back to their queue. */
import type { LoggerService } from '@nestjs/common';
import type { Channel } from '../../amqp/index.js';
import { describeError } from '../errors.js';
import { DelayUnavailableError, type DelayQueues } from './delay-queues.js';
import { failureHeaders, publishCopy, type FailedMessage } from './message-copy.js';

export class Retries {
  readonly #openChannel: () => Promise<Channel>;
  readonly #queues: DelayQueues | undefined;
  #isBroken = false;

  /** `openChannel` gives one with confirms. Without `queues` nothing is declared, and failed messages wait in memory. */
  constructor(openChannel: () => Promise<Channel>, queues: DelayQueues | undefined) {
    this.#openChannel = openChannel;
    this.#queues = queues;
  }

  /**
   * Resolves when the broker has the copy, which comes back to its queue after so many milliseconds; rejects with the
   * client's errors, or DelayUnavailableError, when it has not, or may not have it.
   */
  async wait(message: FailedMessage, delay: number): Promise<void> {
    const { delivery, queue } = message;
    const headers = failureHeaders(message);
    // What a delay queue adds to the headers is for messages to an exchange: this one goes back to its queue.
    const put = async (exchange: string): Promise<void> =>
      publishCopy(await this.#openChannel(), delivery, { exchange, routingKey: queue }, headers);
    // What waits no time needs no queue to wait in.
    if (delay === 0) await put('');
    else if (this.#queues) await this.#queues.put({ delay, exchange: '', routingKey: queue }, put);
    else throw new DelayUnavailableError({ delay, exchange: '', routingKey: queue }, 'nothing is declared here');
    this.#isBroken = false;
  }

  /** Logs that a message waits in memory: once, until one could be moved. */
  reportFailure(logger: LoggerService, title: string, error: unknown): void {
    if (!this.#isBroken) {
      const { name, message } = describeError(error);
      logger.warn(`${title}: the message waits for its retry in memory: ${name}: ${message}`);
    }
    this.#isBroken = true;
  }
}
