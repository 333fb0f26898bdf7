/** Hears that something was committed: LISTEN on a client of its own, which is replaced when it is lost. */
import { BorrowedClient } from '../transactions/borrowed-client.js';
import type { PostgresPool } from '../transactions/postgres.js';
import { wait } from '../waiting.js';

/** Milliseconds before it is tried again: the first time, and at most. */
const firstPause = 500;
const longestPause = 30_000;

/** Calls the listener with each notification, and whenever some may have been missed, until the returned function is called. */
export function listen(pool: PostgresPool, channel: string, limit: number, listener: () => void): () => void {
  const ending = new AbortController();
  void listenUntil(ending.signal, pool, channel, limit, listener);
  return () => {
    ending.abort();
  };
}

/** Never rejects: without it the relay looks by itself, later. */
async function listenUntil(
  signal: AbortSignal,
  pool: PostgresPool,
  channel: string,
  limit: number,
  listener: () => void,
): Promise<void> {
  let pause = firstPause;
  while (!signal.aborted) {
    try {
      const borrowed = await BorrowedClient.take(pool, limit);
      try {
        borrowed.client.on('notification', (notification) => {
          if (notification.channel === channel) listener();
        });
        await borrowed.query(`LISTEN "${channel}"`);
        pause = firstPause;
        listener();
        await either(signal, borrowed.ended);
      } finally {
        // It goes on listening: nobody else must get it.
        borrowed.destroy(new Error('it is not listened any more'));
      }
    } catch {
      // The relay tells of a database that is away.
    }
    await wait(pause, signal);
    pause = Math.min(pause * 2, longestPause);
  }
}

function either(...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of signals) {
      if (signal.aborted) resolve();
      else {
        signal.addEventListener(
          'abort',
          () => {
            resolve();
          },
          { once: true },
        );
      }
    }
  });
}
