/** One request as a promise, with its limits. */
import { RequestTimeoutError } from './errors.js';

export interface RequestLimits {
  readonly pattern: string;
  /** Milliseconds; Infinity: none. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs `start`, which answers how to give the request up, and settles once: by what `start` says later, by
 * RequestTimeoutError, or by the signal's reason.
 */
export function requestPromise<T>(
  { pattern, timeout, signal }: RequestLimits,
  start: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    // An abort's reason may be anything.
    const refuse: (reason: unknown) => void = reject;
    if (signal?.aborted) {
      refuse(signal.reason);
      return;
    }
    let giveUp = (): void => undefined;
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      giveUp();
    };
    const endWith = (error: unknown): void => {
      end();
      refuse(error);
    };
    const onAbort = (): void => {
      endWith(signal?.reason);
    };
    const timer = Number.isFinite(timeout)
      ? setTimeout(() => {
          endWith(new RequestTimeoutError(pattern, timeout));
        }, timeout)
      : undefined;
    signal?.addEventListener('abort', onAbort, { once: true });
    giveUp = start((value) => {
      end();
      resolve(value);
    }, endWith);
  });
}
