/** Puts copies of messages that could not be handled into `<queue>.parked`, with the reason in their headers. */
import type { LoggerService } from '@nestjs/common';
import { UnroutableError, type Channel } from '../../amqp/index.js';
import { describeError } from '../errors.js';
import type { QueueWish } from '../starting/wishes.js';
import { failureHeaders, publishCopy, reasonHeaders, type FailedMessage } from './message-copy.js';

export function parkingQueue(queue: string): string {
  return `${queue}.parked`;
}

/**
 * Where the messages of a queue are parked. Its queue is declared anew where it is missed and may be declared: somebody may
 * have deleted it.
 */
export class Parking {
  readonly #openChannel: () => Promise<Channel>;
  readonly #declared: ((queue: string) => QueueWish) | undefined;
  #isBroken = false;

  /** `openChannel` gives one with confirms. `declared`: how its queue is declared; undefined: it is not. */
  constructor(openChannel: () => Promise<Channel>, declared: ((queue: string) => QueueWish) | undefined) {
    this.#openChannel = openChannel;
    this.#declared = declared;
  }

  /** Resolves when the broker has the copy; rejects with the client's errors when it has not, or may not have it. */
  async park(message: FailedMessage): Promise<void> {
    const channel = await this.#openChannel();
    const target = { exchange: '', routingKey: parkingQueue(message.queue) };
    const headers = { ...failureHeaders(message), ...reasonHeaders(message) };
    try {
      await publishCopy(channel, message.delivery, target, headers);
    } catch (error) {
      if (!(error instanceof UnroutableError) || !this.#declared) throw error;
      const { name, ...options } = this.#declared(message.queue);
      await channel.queueDeclare(name, options);
      await publishCopy(channel, message.delivery, target, headers);
    }
    this.#isBroken = false;
  }

  /** Logs that a message could not be parked: once, until one was. */
  reportFailure(logger: LoggerService, title: string, error: unknown): void {
    if (!this.#isBroken) {
      const { name, message } = describeError(error);
      logger.error(
        `${title}: the message could not be parked: ${name}: ${message}; it is held, and tried again ever more slowly`,
      );
    }
    this.#isBroken = true;
  }
}
