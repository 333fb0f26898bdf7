/** Does something again and again until it works: what an application that does not wait for its broker needs. */
import { wait } from '../waiting.js';

/** Milliseconds before the second try, doubled each time. */
const firstDelay = 1_000;
const longestDelay = 30_000;

export interface Persistence {
  /** Ends it: the promise resolves then. */
  readonly signal: AbortSignal;
  /** Told of each failure; may throw it to give up. */
  readonly onFailure: (error: unknown) => void;
}

/** Resolves when `action` worked, or the signal was given. Rejects with what `onFailure` throws. */
export async function persist(action: () => Promise<void>, { signal, onFailure }: Persistence): Promise<void> {
  for (let delay = firstDelay; !signal.aborted; delay = Math.min(delay * 2, longestDelay)) {
    try {
      await action();
      return;
    } catch (error) {
      if (isAborted(signal)) return;
      onFailure(error);
    }
    await wait(delay, signal);
  }
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
