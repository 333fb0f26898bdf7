/** The parking queue of a transport's queue: declared when it is first missed, where that is allowed. */
import type { LoggerService } from '@nestjs/common';
import { UnroutableError, type Channel } from '../../amqp/index.js';
import { park, parkingQueue, type ParkedMessage } from '../consuming/parking.js';
import { describeError } from '../errors.js';

export class Parking {
  readonly #openChannel: () => Promise<Channel>;
  readonly #mayDeclare: boolean;
  #isBroken = false;

  /** `openChannel` gives one with confirms. */
  constructor(openChannel: () => Promise<Channel>, mayDeclare: boolean) {
    this.#openChannel = openChannel;
    this.#mayDeclare = mayDeclare;
  }

  /** Resolves when the broker has the copy; rejects with the client's errors when it has not, or may not have it. */
  async park(message: ParkedMessage): Promise<void> {
    const channel = await this.#openChannel();
    try {
      await park(channel, message);
    } catch (error) {
      if (!(error instanceof UnroutableError) || !this.#mayDeclare) throw error;
      await channel.queueDeclare(parkingQueue(message.queue), { durable: true });
      await park(channel, message);
    }
    this.#isBroken = false;
  }

  /** Logs that a message could not be parked: once, until one was. */
  reportFailure(logger: LoggerService, queue: string, error: unknown): void {
    if (!this.#isBroken) {
      logger.error(`A message of "${queue}" could not be parked and goes back there: ${describeError(error).message}`);
    }
    this.#isBroken = true;
  }
}
