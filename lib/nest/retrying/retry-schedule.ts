/** How often a failed message is tried again, and how long it waits before each time. Pure. */

/**
 * Milliseconds before each retry: one for all; a list, whose last holds for further retries; or growing from `initial`
 * (default 1 000) by `factor` (2) up to `max` (60 000). With `jitter` (false) it is a random one of five steps from half
 * of it to the whole.
 */
export type RetryDelay =
  | number
  | readonly number[]
  | 'exponential'
  | {
      initial?: number | undefined;
      factor?: number | undefined;
      max?: number | undefined;
      jitter?: boolean | undefined;
    };

/** `retry: 5` is six runs at most. The delay is `exponential` unless said. */
export type RetryOption = number | { attempts: number; delay?: RetryDelay | undefined };

export interface RetrySchedule {
  /** Runs after the first one; 0: none. */
  readonly attempts: number;
  readonly delay: RetryDelay;
}

/** Milliseconds. */
const exponential = { initial: 1_000, factor: 2, max: 60_000 };
/** With jitter a delay is one of these parts of the whole: few, since each distinct delay is a queue. */
const jitterSteps = [0.5, 0.625, 0.75, 0.875, 1];
/** Of one policy: each is an exchange and a queue on the broker. */
export const mostDelays = 64;

export const noRetry: RetrySchedule = { attempts: 0, delay: 'exponential' };
/** What an event is given whose policy says nothing of retries. */
export const defaultRetry: RetrySchedule = { attempts: 5, delay: 'exponential' };

export function toSchedule(retry: RetryOption): RetrySchedule {
  if (typeof retry === 'number') return { attempts: retry, delay: 'exponential' };
  return { attempts: retry.attempts, delay: retry.delay ?? 'exponential' };
}

/** Milliseconds before retry number `attempt`, from 1. `random` is from 0 to 1. */
export function delayBefore({ delay }: RetrySchedule, attempt: number, random: () => number = Math.random): number {
  if (typeof delay === 'number') return delay;
  if (isList(delay)) return delay[Math.min(attempt, delay.length) - 1] ?? 0;
  const base = grown(delay, attempt);
  if (delay === 'exponential' || delay.jitter !== true) return base;
  const step = jitterSteps[Math.min(Math.floor(random() * jitterSteps.length), jitterSteps.length - 1)] ?? 1;
  return Math.round(base * step);
}

/** Milliseconds that all its retries wait together, at most; no more than `limit` are counted. */
export function totalDelay(schedule: RetrySchedule, limit: number): number {
  let total = 0;
  for (let attempt = 1; attempt <= schedule.attempts && total < limit; attempt++) {
    const delay = delayBefore(schedule, attempt, () => 1);
    if (delay === 0) break;
    total += delay;
  }
  return total;
}

/** All delays that it may ask for, each once; at most one more than `mostDelays`. */
export function delaysOf(schedule: RetrySchedule): number[] {
  const { attempts, delay } = schedule;
  const delays = new Set<number>();
  if (attempts === 0) return [];
  if (typeof delay === 'number') return [delay];
  if (isList(delay)) return [...new Set(delay.slice(0, attempts))].slice(0, mostDelays + 1);
  const isJittered = delay !== 'exponential' && delay.jitter === true;
  const { initial, factor, max } = growthOf(delay);
  for (let attempt = 1; attempt <= attempts && delays.size <= mostDelays; attempt++) {
    const base = grown(delay, attempt);
    for (const step of isJittered ? jitterSteps : [1]) delays.add(Math.round(base * step));
    if (factor === 1 || initial === 0 || base >= Math.round(max)) break;
  }
  return [...delays].slice(0, mostDelays + 1);
}

type GrowingDelay = Exclude<RetryDelay, number | readonly number[]>;

function growthOf(delay: GrowingDelay): { readonly initial: number; readonly factor: number; readonly max: number } {
  const {
    initial = exponential.initial,
    factor = exponential.factor,
    max,
  } = delay === 'exponential' ? exponential : delay;
  return { initial, factor, max: max ?? Math.max(exponential.max, initial) };
}

function grown(delay: GrowingDelay, attempt: number): number {
  const { initial, factor, max } = growthOf(delay);
  return Math.round(Math.min(initial * factor ** (attempt - 1), max));
}

/** `Array.isArray` that knows of readonly lists. */
function isList(delay: RetryDelay): delay is readonly number[] {
  return Array.isArray(delay);
}
