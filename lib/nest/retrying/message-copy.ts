/**
 * Copies of messages on their way to a delay queue, to a parking queue, and back: what they carry of ours in their headers,
 * and what is believed of it when they come in.
 *
 *   x-leveret-attempts       runs that failed so far
 *   x-leveret-history        the last of them: time, reason, error, message, handler
 *   x-leveret-exchange, x-leveret-routing-key      where the message was published first
 *   x-leveret-replay         which replay put it back
 *   x-leveret-user-id, -expiration, -cc, -death    what a copy may not have under its own name
 *
 * Anybody can send such headers. They count only on what came straight to the queue, by the default exchange or out of a delay
 * queue, as our copies do: who may publish there may put anything into it anyway. And a number that is none, or a history of
 * something else, is none.
 */
import {
  ArgumentError,
  sequenceHeader,
  type BasicProperties,
  type Channel,
  type Delivery,
  type FieldTable,
} from '../../amqp/index.js';
import { describeError, excerpt } from '../errors.js';
import { dueExchange, targetHeader } from './delay-queues.js';
import type { FailureReason } from '../consuming/policy.js';

/** Milliseconds that the broker has to confirm a copy. */
const confirmTimeout = 10_000;
const mostAttempts = 1_000_000;
/** Failures that a message remembers. */
const longestHistory = 10;
const longestMessage = 1_000;
const longestRemembered = 200;
const longestName = 200;

export const attemptsHeader = 'x-leveret-attempts';
export const historyHeader = 'x-leveret-history';
export const exchangeHeader = 'x-leveret-exchange';
export const routingKeyHeader = 'x-leveret-routing-key';
/** The replay that it was put back by. */
export const replayHeader = 'x-leveret-replay';
const userIdHeader = 'x-leveret-user-id';
const expirationHeader = 'x-leveret-expiration';
const copiesHeader = 'x-leveret-cc';
const deathHeader = 'x-leveret-death';
const spent: ReadonlySet<string> = new Set([sequenceHeader, targetHeader, 'BCC']);

/** One run that failed. */
export interface FailedRun {
  /** ISO 8601. */
  readonly time: string;
  /** `error`, `timeout`, `invalid`, `unreadable`, `refused`, `no-handler`, or a handler's own words. */
  readonly reason: string;
  /** The error's class, and what it said. */
  readonly error?: string | undefined;
  readonly message?: string | undefined;
  /** `Class.method`, or a pattern. */
  readonly handler: string;
}

/** What is known of a message's way to this delivery. */
export interface MessageOrigin {
  /** Where it was published first. */
  readonly exchange: string;
  readonly routingKey: string;
  /** Runs that failed before this one. */
  readonly attempts: number;
}

/** Where a message came from, over all its copies. */
export function originOf(delivery: Delivery, queue: string): MessageOrigin {
  const { routingKey } = delivery;
  const exchange = delivery.exchange === dueExchange ? delayedTo(delivery) : delivery.exchange;
  const headers = trustedHeaders(delivery, queue);
  if (!headers) return { exchange, routingKey, attempts: 0 };
  const [firstExchange, firstKey] = [headers[exchangeHeader], headers[routingKeyHeader]];
  const isKnown = typeof firstExchange === 'string' && typeof firstKey === 'string';
  return {
    exchange: isKnown ? firstExchange : exchange,
    routingKey: isKnown ? firstKey : routingKey,
    attempts: attemptsIn(headers),
  };
}

/** The exchange that a message out of a delay queue was for; '': the default exchange. */
function delayedTo(delivery: Delivery): string {
  const exchange = readable(delivery).headers?.[targetHeader];
  return typeof exchange === 'string' ? exchange : '';
}

/** The failures that a message remembers, the oldest first. */
export function historyOf(delivery: Delivery, queue: string): FailedRun[] {
  return historyIn(trustedHeaders(delivery, queue) ?? {});
}

/** Undefined where nothing of ours is to be believed. */
function trustedHeaders(delivery: Delivery, queue: string): FieldTable | undefined {
  const { exchange, routingKey } = delivery;
  if ((exchange !== '' && exchange !== dueExchange) || routingKey !== queue) return undefined;
  return readable(delivery).headers;
}

export function attemptsIn(headers: FieldTable): number {
  const attempts = headers[attemptsHeader];
  return typeof attempts === 'number' && Number.isInteger(attempts) && attempts > 0 && attempts <= mostAttempts
    ? attempts
    : 0;
}

export function historyIn(headers: FieldTable): FailedRun[] {
  const history = headers[historyHeader];
  if (!Array.isArray(history)) return [];
  return history.slice(-longestHistory).flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) return [];
    const { time, reason, error, message, handler } = entry as Readonly<Record<string, unknown>>;
    if (typeof time !== 'string' || typeof reason !== 'string' || typeof handler !== 'string') return [];
    const run: FailedRun = {
      time: excerpt(time, longestName),
      reason: excerpt(reason, longestName),
      handler: excerpt(handler, longestName),
    };
    if (typeof error !== 'string' || typeof message !== 'string') return [run];
    return [{ ...run, error: excerpt(error, longestName), message: excerpt(message, longestRemembered) }];
  });
}

/** A failure, and whose message it was. */
export interface FailedMessage {
  readonly delivery: Delivery;
  readonly queue: string;
  /** `Class.method`, or a pattern. */
  readonly handler: string;
  readonly reason: FailureReason | (string & {});
  readonly error: unknown;
  /** Runs that failed, this one included. */
  readonly attempts: number;
}

/** The headers of ours that a copy carries, with this failure in its history. */
export function failureHeaders(message: FailedMessage): FieldTable {
  const { delivery, queue, handler, reason, error, attempts } = message;
  const { exchange, routingKey } = originOf(delivery, queue);
  const run: Record<string, string> = {
    time: new Date().toISOString(),
    reason,
    handler: excerpt(handler, longestName),
  };
  if (error !== undefined) {
    const { name, message: text } = describeError(error, longestRemembered);
    Object.assign(run, { error: name, message: text });
  }
  const history = [...historyOf(delivery, queue).map((entry) => ({ ...entry })), run].slice(-longestHistory);
  return {
    [attemptsHeader]: attempts,
    [historyHeader]: history,
    [exchangeHeader]: exchange,
    [routingKeyHeader]: routingKey,
  };
}

/** Of what is replayed: where it was published first, and nothing of why it was parked but its history. */
export function replayHeaders(delivery: Delivery, replay: string): FieldTable {
  const { headers = {} } = readable(delivery);
  const [exchange, routingKey] = [headers[exchangeHeader], headers[routingKeyHeader]];
  const isKnown = typeof exchange === 'string' && typeof routingKey === 'string';
  const origin = isKnown ? { [exchangeHeader]: exchange, [routingKeyHeader]: routingKey } : {};
  return { [replayHeader]: replay, ...origin };
}

/** Of what was parked: why, beside its history. */
export function reasonHeaders({ queue, handler, reason, error }: FailedMessage): FieldTable {
  const headers: FieldTable = {
    'x-leveret-reason': reason,
    'x-leveret-handler': excerpt(handler, longestName),
    'x-leveret-queue': queue,
    'x-leveret-time': new Date().toISOString(),
  };
  if (error === undefined) return headers;
  const { name, message } = describeError(error, longestMessage);
  return { ...headers, 'x-leveret-error': name, 'x-leveret-error-message': message };
}

/** Where a copy goes. */
export interface CopyTarget {
  readonly exchange: string;
  readonly routingKey: string;
}

/**
 * Publishes a copy with these headers beside its own that are not left out, persistent and mandatory. Resolves when the broker confirmed it;
 * rejects with a PublishError when it is not there.
 */
export async function publishCopy(
  channel: Channel,
  delivery: Delivery,
  { exchange, routingKey }: CopyTarget,
  ours: FieldTable,
  isLeftOut: (name: string) => boolean = () => false,
): Promise<void> {
  const { userId, expiration, headers, ...properties } = readable(delivery);
  const put = (copyHeaders: FieldTable): Promise<void> =>
    channel.publish(
      exchange,
      routingKey,
      delivery.body,
      { ...properties, persistent: true, deliveryMode: 2, headers: copyHeaders },
      { mandatory: true, timeout: confirmTimeout },
    );
  // The broker refuses another user's user_id, and an expiration would end the copy where it waits.
  const kept: FieldTable = {};
  if (userId !== undefined) kept[userIdHeader] = userId;
  if (expiration !== undefined) kept[expirationHeader] = expiration;
  try {
    await put({ ...carriedHeaders(headers, isLeftOut), ...ours, ...kept });
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    // Headers that fill a frame by themselves leave no room for ours: these are kept, and that the others are left out.
    await put({ ...ours, ...kept, 'x-leveret-headers': 'left out: too large' });
  }
}

/**
 * Carried on, CC would make the broker put further copies into the queues that it names, and x-death would make it believe
 * (up to 3.13) that the message goes round in a circle and may be dropped. The mark of a mandatory publish, and the exchange
 * that a delayed message was for, have served.
 */
function carriedHeaders(headers: FieldTable = {}, isLeftOut: (name: string) => boolean): FieldTable {
  const { CC: copies, 'x-death': death, ...others } = headers;
  const isCarried = (name: string): boolean =>
    !spent.has(name) && !/^x-(first|last)-death-/.test(name) && !isLeftOut(name);
  const carried = Object.fromEntries(Object.entries(others).filter(([name]) => isCarried(name)));
  if (copies !== undefined) carried[copiesHeader] = copies;
  if (death !== undefined && carried[deathHeader] === undefined && !isOfDelay(death)) carried[deathHeader] = death;
  return carried;
}

/** What a delay queue of ours did to it is no news to anybody. */
function isOfDelay(death: unknown): boolean {
  const [last] = Array.isArray(death) ? (death as unknown[]) : [];
  const queue = typeof last === 'object' && last !== null ? (last as { queue?: unknown }).queue : undefined;
  return typeof queue === 'string' && queue.startsWith('leveret.delay.');
}

/** A message whose properties nobody can read keeps its body. */
export function readable(delivery: Delivery): BasicProperties {
  try {
    return delivery.properties;
  } catch {
    return {};
  }
}
