/** What can go wrong with idempotent handlers, beside what the handlers do. */
import { AmqpError } from '../../amqp/index.js';

/**
 * A message for an idempotent handler has no message id, and the handler no `key` that gives it one: it cannot be told from
 * its repeats. The handler never sees it; settled by its policy, with the reason `invalid`.
 */
export class MissingMessageIdError extends AmqpError {
  /** The handler's scope: `Class.method` unless said. */
  readonly scope: string;

  constructor(scope: string, problem: string) {
    super(`${scope}: ${problem}, so that its repeats cannot be told from it`);
    this.scope = scope;
  }
}

/**
 * Somebody else works on the same message, and was not done within `wait`. The message goes back to its queue, unless an entry
 * in `errors` of the handler's `@Ack` says otherwise of this class.
 */
export class KeyInUseError extends AmqpError {
  /** The handler's scope: `Class.method` unless said. */
  readonly scope: string;

  constructor(scope: string, limit: number) {
    super(`${scope}: somebody else works on the same message, and was not done within ${String(limit)} ms`, {
      recoverable: true,
    });
    this.scope = scope;
  }
}

/**
 * The store of the keys is away, slow or full, or could not commit. What the handler did in its transaction is rolled back, or,
 * where the answer to the commit was lost, is found done when the message comes again. Settled by the handler's policy.
 */
export class IdempotencyStoreError extends AmqpError {
  constructor(problem: string, options: { cause?: unknown } = {}) {
    super(`the store of idempotent handlers: ${problem}`, { recoverable: true, ...options });
  }
}
