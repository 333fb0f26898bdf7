/** What this run calls its queues: new names each time, so that runs on one broker never meet. */
import { randomUUID } from 'node:crypto';

const run = `migration.${randomUUID().slice(0, 8)}`;

export const names = {
  run,
  orders: `${run}.orders`,
  mail: `${run}.mail`,
} as const;
