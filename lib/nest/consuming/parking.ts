/** Puts copies of messages that could not be handled into `<queue>.parked`, with the reason in their headers. */
import {
  ArgumentError,
  sequenceHeader,
  type BasicProperties,
  type Channel,
  type Delivery,
  type FieldTable,
} from '../../amqp/index.js';
import { describeError } from '../errors.js';

/** Milliseconds that the broker has to confirm a copy. */
const parkTimeout = 10_000;
const longestMessage = 1_000;

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

/** Resolves when the broker confirmed the copy; rejects with a PublishError when it is not there. */
export async function park(channel: Channel, message: ParkedMessage): Promise<void> {
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
    'x-leveret-handler': handler,
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
