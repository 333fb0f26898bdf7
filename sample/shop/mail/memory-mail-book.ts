/** For where there is no database: gone with the process. */
import { MemoryIdempotencyStore, type MemoryTransaction } from 'leveret';
import { MailBook, type MailStorage } from './mail-book.js';

export class MemoryMailBook extends MailBook {
  readonly orderIds: string[] = [];

  enter(orderId: string, transaction: MemoryTransaction): Promise<void> {
    transaction.onCommit(() => this.orderIds.push(orderId));
    return Promise.resolve();
  }
}

export function mailInMemory(book: MemoryMailBook): MailStorage {
  return { book, keys: new MemoryIdempotencyStore() };
}
