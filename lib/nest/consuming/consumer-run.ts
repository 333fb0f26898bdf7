/** One delivery at work, or a batch of them: what a consumer asks of it, whoever handles it. */
import type { Delivery } from '../../amqp/index.js';
import type { HandlerTimeoutError } from '../errors.js';

/**
 * How a handler fared: `failed` where it threw, or took too long. Neither where it never ran (a body that cannot be read, a
 * payload that is not valid, a guard that refused, nobody's message), or nobody waits for it any more.
 */
export type RunVerdict = 'done' | 'failed' | undefined;

export interface ConsumerRun {
  /** A batch's first. */
  readonly delivery: Delivery;
  /** For the log: whose it is. */
  readonly title: string;
  /** Nothing is to be waited for: it is settled or stale, and its handler is done. */
  readonly isOver: boolean;
  /** Known once it ran. */
  readonly verdict: RunVerdict;
  /** Resolves when it was handled, or given up. Never rejects. */
  run(): Promise<void>;
  /** It is not to be handled: `run` settles it by its policy, as if its handler had thrown this. */
  refuse(error: Error): void;
  /** Gives the message back without having started. */
  giveBack(): void;
  /** No time is left: its handler is told, and the message goes back. Answers how many did. */
  abandon(limit: number): number;
  /** It holds its message for as long as the broker allows: its handler is told, and the message settled by its policy. */
  expire(error: HandlerTimeoutError): void;
  /** A wait before a requeue is cut short. */
  hurry(): void;
}
