/** Exponential back-off with full jitter: the delay is drawn from 0 to a bound that doubles up to a cap. */
import { messageOf, type AmqpError } from '../errors.js';

export interface BackOff {
  /** Bound of the first delay, in milliseconds. */
  readonly initialDelay: number;
  /** Cap of the bound, in milliseconds. */
  readonly maxDelay: number;
}

/** Milliseconds to wait before attempt `attempt` (from 1). `random` gives numbers from 0 to 1. */
export function backOffDelay(attempt: number, backOff: BackOff, random: () => number = Math.random): number {
  const bound = Math.min(backOff.maxDelay, backOff.initialDelay * 2 ** Math.min(attempt - 1, 30));
  return Math.round(random() * bound);
}

/** Milliseconds to wait after a refusal that only somebody's hand can mend: near the cap from the first attempt on. */
export function slowDelay({ maxDelay }: BackOff, random: () => number = Math.random): number {
  return Math.round(maxDelay * (0.5 + random() / 2));
}

/** What the user's predicate says of a loss; without one, and where it throws, every loss is worth recovering from. */
export function isWorthRecovery(
  recovery: { readonly when: ((cause: AmqpError) => boolean) | undefined },
  cause: AmqpError,
): boolean {
  if (!recovery.when) return true;
  try {
    return recovery.when(cause);
  } catch (error) {
    process.emitWarning(`recovery.when failed: ${messageOf(error)}`, 'LeveretWarning');
    return true;
  }
}

/** Waits; ends early, without an error, when the signal aborts. */
export function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener('abort', done, { once: true });
  });
}
