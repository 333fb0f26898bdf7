/**
 * What this run calls its exchange and queues: new names each time, so that runs on one broker never meet. The processes of a
 * run are told its name. (A shop of yours has one name for ever.)
 */
import { randomUUID } from 'node:crypto';

const run = process.env['SHOP_RUN'] ?? `shop.${randomUUID().slice(0, 8)}`;

export const names = {
  run,
  /** Topic exchange of everything that happens in the shop. */
  shop: `${run}.shop`,
  /** What the three services consume. */
  orders: `${run}.orders`,
  articles: `${run}.articles`,
  mail: `${run}.mail`,
} as const;
