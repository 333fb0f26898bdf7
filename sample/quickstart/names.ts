/** What this run calls its exchange and queues: new names each time, so that runs on one broker never meet. */
import { randomUUID } from 'node:crypto';

const run = `quickstart.${randomUUID().slice(0, 8)}`;

export const names = {
  /** Topic exchange that orders are published to. */
  shop: `${run}.shop`,
  orders: `${run}.orders`,
  /** Fanout exchange to which the broker sends what the orders queue rejects. */
  deadLetterExchange: `${run}.dead`,
  deadLetters: `${run}.dead-letters`,
  /** Requests for the totals. */
  totals: `${run}.totals`,
} as const;
