/** What `batch`, `ordered`, `timeout` and `consumerTimeout` mean for the consumer of a queue: checks and numbers. Pure. */
import { ticks, ticksOfLimit } from './delivery-ages.js';
import { mostPrefetched, type BatchOptions } from './batch-options.js';

/**
 * Unsettled deliveries at a time: no less than are handled at a time, since more would never be here. 0: without limit.
 * Answers over 65 535, which no broker takes, for a batch that asks for as many.
 */
export function raisedPrefetch(prefetch: number, concurrency: number, batch: BatchOptions | undefined): number {
  if (prefetch === 0) return 0;
  const atOnce = concurrency === Infinity ? (batch ? 1 : 0) : concurrency;
  return Math.max(prefetch, atOnce * (batch?.size ?? 1));
}

/** A batch of a queue with these handlers cannot be; undefined: it can. */
export function batchProblem(
  batch: BatchOptions,
  handlers: readonly { readonly name: string; readonly isByHand: boolean }[],
  prefetch: number,
): string | undefined {
  if (handlers.length > 1) {
    return `batch: the queue has several handlers (${handlers.map(({ name }) => name).join(', ')}), and a batch is for one`;
  }
  if (handlers.some(({ isByHand }) => isByHand)) {
    return "batch: @Ack() on a parameter settles one message; take @Ctx() batch: BatchContext, and @Ack({ when: 'manual' })";
  }
  if (prefetch > mostPrefetched) {
    return `batch: size ${String(batch.size)} times concurrency is over ${String(mostPrefetched)}, the most that can be prefetched`;
  }
  return undefined;
}

/** A handler, and the broker's limit for its queue. */
export interface TimedHandler {
  readonly title: string;
  /** Milliseconds; undefined: without limit. */
  readonly timeout: number | undefined;
  /** Milliseconds; Infinity: without limit. */
  readonly consumerTimeout: number;
  /** Milliseconds that its retries hold a message in memory, together. */
  readonly held: number;
}

/** What an operator should know before a handler meets the broker's limit. */
export function timeoutWarnings(handlers: readonly TimedHandler[]): string[] {
  return handlers.flatMap(({ title, timeout = 0, consumerTimeout, held }) => {
    // The message is settled, or goes back, a little before it.
    const limit = consumerTimeout * (ticks.expire / ticksOfLimit);
    const allowed = `longer than the broker lets a message be unsettled (${String(consumerTimeout)} ms, consumerTimeout)`;
    const warnings: string[] = [];
    if (timeout > limit)
      warnings.push(`${title}: its timeout of ${String(timeout)} ms is ${allowed}: it ends before that`);
    if (held > limit) {
      warnings.push(
        `${title}: its retries wait in memory, ${allowed}: the message goes back, and its retries begin anew`,
      );
    }
    return warnings;
  });
}
