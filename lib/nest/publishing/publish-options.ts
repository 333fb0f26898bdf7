/** What a publish may be given beside key and payload, and its check. */
import { ArgumentError, type FieldTable } from '../../amqp/index.js';
import { writingFormatChecks, type WritingFormatOptions } from '../formats/format-options.js';
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

const checks: Readonly<Record<keyof MessageOptions, Check>> = {
  headers: isTable,
  mandatory: isBoolean,
  persistent: isBoolean,
  messageId: isName,
  correlationId: isName,
  replyTo: isName,
  expiration: isMilliseconds,
  priority: isWhole(0, 255),
  type: isName,
  appId: isName,
  timestamp: (value) => (value instanceof Date ? undefined : 'must be a Date'),
  signal: (value) => (value instanceof AbortSignal ? undefined : 'must be an AbortSignal'),
  timeout: isMilliseconds,
  ...writingFormatChecks,
};

/** Throws ArgumentError for options that are unknown or wrong. */
export function checkMessageOptions(options: MessageOptions): void {
  const faults = faultsOf(options, checks);
  if (faults.length > 0) throw new ArgumentError('publish options', faults.join('; '));
}
