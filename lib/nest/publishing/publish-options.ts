/** What a publish may be given beside key and payload, and its check. */
import { ArgumentError, type FieldTable } from '../../amqp/index.js';
import { writingFormatChecks, type WritingFormatOptions } from '../formats/format-options.js';
import { directReplyTo } from '../requests/request-channel.js';
import { faultsOf, isBoolean, isMilliseconds, isName, isTable, isWhole, type Check } from '../option-checks.js';

export interface MessageOptions extends WritingFormatOptions {
  headers?: FieldTable | undefined;
  /** A message that no queue takes rejects with UnroutableError. Default: the publisher's. */
  mandatory?: boolean | undefined;
  /** Survives a restart of the broker in a durable queue. Default: the publisher's, which is true. */
  persistent?: boolean | undefined;
  /** Default: a random UUID. */
  messageId?: string | undefined;
  /** Default: inside a handler that of the message at hand. */
  correlationId?: string | undefined;
  replyTo?: string | undefined;
  /**
   * Milliseconds until the message is published to its exchange: meanwhile it waits on the broker, and outlives restarts of
   * both sides. Never earlier; and later at most by what is missing to the next power of two, where a message that waits
   * longer was sent before it. At most 2 147 483 647, about 24 days. See docs/delay.md.
   */
  delay?: number | undefined;
  /** The time at which the message is published to its exchange: `delay`, counted from now by this machine's clock. */
  at?: Date | undefined;
  /** Milliseconds after which the message is dropped or dead-lettered. Default: never. */
  expiration?: number | undefined;
  /** 0 to 255, for queues with `x-max-priority`. */
  priority?: number | undefined;
  type?: string | undefined;
  appId?: string | undefined;
  /** Seconds are sent. Default: now. */
  timestamp?: Date | undefined;
  /** Gives up: NotSentError when it was still waiting, UnknownOutcomeError when it was sent. */
  signal?: AbortSignal | undefined;
  /** Milliseconds from the call to the outcome; as `signal`. Default: the publisher's. */
  timeout?: number | undefined;
}

/** Milliseconds: about 24 days. */
const longestDelay = 0x7fff_ffff;

const checks: Readonly<Record<keyof MessageOptions, Check>> = {
  headers: isTable,
  mandatory: isBoolean,
  persistent: isBoolean,
  messageId: isName,
  correlationId: isName,
  replyTo: isName,
  delay: isMilliseconds,
  at: isDate,
  expiration: isMilliseconds,
  priority: isWhole(0, 255),
  type: isName,
  appId: isName,
  timestamp: isDate,
  signal: (value) => (value instanceof AbortSignal ? undefined : 'must be an AbortSignal'),
  timeout: isMilliseconds,
  ...writingFormatChecks,
};

function isDate(value: unknown): string | undefined {
  return value instanceof Date && !Number.isNaN(value.getTime()) ? undefined : 'must be a Date';
}

/**
 * Milliseconds that a message is to wait, 0 for one that is due. Throws ArgumentError for options that say two things, or a
 * time that is too far away.
 */
export function delayOf({ delay, at, replyTo }: MessageOptions, expiration: number | undefined): number {
  if (delay === undefined && at === undefined) return 0;
  if (delay !== undefined && at !== undefined)
    throw new ArgumentError('delay', 'and at say the same: give one of the two');
  if (replyTo === directReplyTo)
    throw new ArgumentError('replyTo', 'is of one channel: a message that waits cannot have it');
  if (expiration !== undefined) throw new ArgumentError('expiration', 'cannot be given to a message that waits');
  const wait = delay ?? (at?.getTime() ?? 0) - Date.now();
  if (wait > longestDelay) throw new ArgumentError('at', `is more than ${String(longestDelay)} ms away`);
  return Math.max(0, Math.ceil(wait));
}

/** Throws ArgumentError for options that are unknown or wrong. */
export function checkMessageOptions(options: MessageOptions): void {
  const faults = faultsOf(options, checks);
  if (faults.length > 0) throw new ArgumentError('publish options', faults.join('; '));
}
