/** Puts copies of messages that could not be handled into `<queue>.parked`, with the reason in their headers. */
import type { LoggerService } from '@nestjs/common';
import {
  ArgumentError,
  sequenceHeader,
  UnroutableError,
  type BasicProperties,
  type Channel,
  type Delivery,
  type FieldTable,
} from '../../amqp/index.js';
import { describeError, excerpt } from '../errors.js';
import type { QueueWish } from '../starting/wishes.js';

/** Milliseconds before a message that could not be parked goes back: without them it would come again at once. */
export const requeueDelay = 1_000;
/** Milliseconds that the broker has to confirm a copy. */
const parkTimeout = 10_000;
const longestMessage = 1_000;
const longestName = 200;

export function parkingQueue(queue: string): string {
  return `${queue}.parked`;
}

export interface ParkedMessage {
  readonly delivery: Delivery;
  readonly queue: string;
  /** `Class.method`. */
  readonly handler: string;
  readonly reason: string;
  readonly error: unknown;
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
  async park(message: ParkedMessage): Promise<void> {
    const channel = await this.#openChannel();
    try {
      await park(channel, message);
    } catch (error) {
      if (!(error instanceof UnroutableError) || !this.#declared) throw error;
      const { name, ...options } = this.#declared(message.queue);
      await channel.queueDeclare(name, options);
      await park(channel, message);
    }
    this.#isBroken = false;
  }

  /** Logs that a message could not be parked: once, until one was. */
  reportFailure(logger: LoggerService, title: string, error: unknown): void {
    if (!this.#isBroken) {
      const { name, message } = describeError(error);
      logger.error(`${title}: the message could not be parked: ${name}: ${message}; requeued`);
    }
    this.#isBroken = true;
  }
}

/** Resolves when the broker confirmed the copy; rejects with a PublishError when it is not there. */
async function park(channel: Channel, message: ParkedMessage): Promise<void> {
  const { delivery, queue } = message;
  const { userId, expiration, headers, ...properties } = readable(delivery);
  const put = (copyHeaders: FieldTable): Promise<void> =>
    channel.publish(
      '',
      parkingQueue(queue),
      delivery.body,
      { ...properties, persistent: true, deliveryMode: 2, headers: copyHeaders },
      { mandatory: true, timeout: parkTimeout },
    );
  const reason = reasonHeaders(message, userId, expiration);
  try {
    await put({ ...withoutOurs(headers), ...reason });
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    // Headers that fill a frame by themselves leave no room for ours: the reason is kept, and that they are left out.
    await put({ ...reason, 'x-leveret-headers': 'left out: too large' });
  }
}

/** Carried on, CC would make the broker put further copies into the queues that it names; our own mark has served. */
function withoutOurs(headers: FieldTable = {}): FieldTable {
  const { CC: copies, [sequenceHeader]: _sequence, ...others } = headers;
  return copies === undefined ? others : { ...others, 'x-leveret-cc': copies };
}

/** A message whose properties nobody can read keeps its body. */
function readable(delivery: Delivery): BasicProperties {
  try {
    return delivery.properties;
  } catch {
    return {};
  }
}

function reasonHeaders(
  { delivery, queue, handler, reason, error }: ParkedMessage,
  userId: string | undefined,
  expiration: string | undefined,
): FieldTable {
  const headers: FieldTable = {
    'x-leveret-reason': reason,
    'x-leveret-handler': excerpt(handler, longestName),
    'x-leveret-queue': queue,
    'x-leveret-exchange': delivery.exchange,
    'x-leveret-routing-key': delivery.routingKey,
    'x-leveret-time': new Date().toISOString(),
  };
  if (error !== undefined) {
    const { name, message } = describeError(error, longestMessage);
    headers['x-leveret-error'] = name;
    headers['x-leveret-error-message'] = message;
  }
  // The broker refuses another user's user_id, and an expiration would empty the parking queue.
  if (userId !== undefined) headers['x-leveret-user-id'] = userId;
  if (expiration !== undefined) headers['x-leveret-expiration'] = expiration;
  return headers;
}
