/** What can go wrong with an outbox, beside what the broker refuses. */
import { AmqpError } from '../../amqp/index.js';

/** The store of an outbox is away, slow or full. Of `publish`: nothing was added; roll your transaction back. */
export class OutboxStoreError extends AmqpError {
  constructor(problem: string, options: { cause?: unknown } = {}) {
    super(`the store of the outbox: ${problem}`, { recoverable: true, ...options });
  }
}
