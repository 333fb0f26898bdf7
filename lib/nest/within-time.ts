/** Waiting for a broker that may not answer, for no longer than the shutdown allows. */
import { TimeoutError } from '../amqp/index.js';

/** Follows the promise; rejects with TimeoutError when it is not settled within `limit` milliseconds. */
export async function withinTime(limit: number, cancelling: Promise<void> | undefined): Promise<void> {
  if (!cancelling) return;
  let timer: NodeJS.Timeout | undefined;
  const limited = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new TimeoutError('basic.cancel', limit));
    }, limit);
  });
  try {
    await Promise.race([cancelling, limited]);
  } finally {
    clearTimeout(timer);
  }
}
