import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { InjectPublisher, Publisher } from 'leveret';
import { NotSentError, UnknownOutcomeError } from 'leveret/amqp';
import { names } from './names.js';
import type { Line } from './orders-file.js';

/** Publishes that may wait for their confirm at a time. */
const windowSize = 200;

@Injectable()
export class ShopPublisher {
  #published = 0;
  #confirmed = 0;
  #unconfirmed = 0;
  #replayedUnknowns = 0;

  constructor(
    @InjectPublisher({ exchange: names.shop, mandatory: true })
    private readonly shop: Publisher<{ 'order.created': Buffer }>,
  ) {}

  /** Lines handed to the publisher, each counted once. */
  get published(): number {
    return this.#published;
  }

  get confirmed(): number {
    return this.#confirmed;
  }

  /** Publishes whose outcome is open. */
  get unconfirmed(): number {
    return this.#unconfirmed;
  }

  /** Publishes whose answer was lost, and which were made again. */
  get replayedUnknowns(): number {
    return this.#replayedUnknowns;
  }

  /** Publishes every line as it stands in the file. Resolves when the broker has confirmed the last. */
  async publishAll(lines: readonly Line[]): Promise<void> {
    const queue = lines.values();
    const publishInTurn = async (): Promise<void> => {
      for (const line of queue) await this.#publish(line);
    };
    await Promise.all(Array.from({ length: windowSize }, publishInTurn));
  }

  async #publish({ messageId, text }: Line): Promise<void> {
    this.#published += 1;
    const body = Buffer.from(text);
    while (!(await this.#isConfirmed(body, messageId)));
    this.#confirmed += 1;
  }

  /** False: the message may not have arrived, and has to be sent again, under the same id. */
  async #isConfirmed(body: Buffer, messageId: string): Promise<boolean> {
    this.#unconfirmed += 1;
    try {
      await this.shop.publish('order.created', body, { messageId, contentType: 'application/json' });
      return true;
    } catch (error) {
      if (error instanceof UnknownOutcomeError) this.#replayedUnknowns += 1;
      else if (error instanceof NotSentError) await setTimeout(50);
      else throw error;
      return false;
    } finally {
      this.#unconfirmed -= 1;
    }
  }
}
