/** What this run calls its exchange and queues: new names each time, so that runs on one broker never meet. */
import { randomUUID } from 'node:crypto';

const run = `hybrid.${randomUUID().slice(0, 8)}`;

export const names = {
  run,
  /** Topic exchange that orders are published to. */
  shop: `${run}.shop`,
  mail: `${run}.mail`,
  /** Questions about the stock. */
  warehouse: `${run}.warehouse`,
  /** Questions to the suppliers. Their service is not there yet, and so the queue is not either. */
  suppliers: `${run}.suppliers`,
} as const;
