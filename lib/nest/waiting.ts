/** Waiting: for a time, or for somebody who may not answer, no longer than is allowed. */
import { TimeoutError } from '../amqp/index.js';

/** As `within`, for the cancelling of a consumer, where there is one. */
export async function withinTime(limit: number, cancelling: Promise<void> | undefined): Promise<void> {
  if (cancelling) await within(limit, 'basic.cancel', cancelling);
}

/** Follows the promise; rejects with TimeoutError, which names the step, when it is not settled within `limit` milliseconds. */
export async function within<Result>(limit: number, step: string, waiting: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const limited = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new TimeoutError(step, limit));
    }, limit);
  });
  try {
    return await Promise.race([waiting, limited]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves after so many milliseconds, or when the signal is given. */
export function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
  });
}

/** Waits of one delivery, which the end of its consumer cuts short. */
export class Pause {
  #cutter: AbortController | undefined;

  /** Resolves with true when the time has passed, with false when it was cut short. */
  async wait(milliseconds: number): Promise<boolean> {
    const { signal } = (this.#cutter ??= new AbortController());
    if (!signal.aborted) await wait(milliseconds, signal);
    return !signal.aborted;
  }

  /** The wait at hand, and each that comes. */
  cut(): void {
    (this.#cutter ??= new AbortController()).abort();
  }
}
