/** What the mail service writes down, and where: that a mail was sent, and the key of its message, in one transaction. */
import type { IdempotencyStore } from 'leveret';

export abstract class MailBook {
  /** As a part of the transaction, which also remembers that the order was handled. */
  abstract enter(orderId: string, transaction: unknown): Promise<void>;
}

/** The two must be in one database, or nothing is done in one transaction. */
export interface MailStorage {
  readonly book: MailBook;
  readonly keys: IdempotencyStore;
}
