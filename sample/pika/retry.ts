/**
 * What the Python package `retry` does for two of Pika's programs: calls a function again while it fails in one way,
 * after a delay that grows by a random step each time.
 */
import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryOptions {
  /** Milliseconds before the second call. */
  readonly delay: number;
  /** Milliseconds, least and most, that each further delay is longer than the one before. */
  readonly jitter: readonly [least: number, most: number];
  /** Whether another call may help. What it refuses is thrown. */
  readonly when: (error: unknown) => boolean;
}

export async function retry(action: () => Promise<void>, options: RetryOptions): Promise<void> {
  const [least, most] = options.jitter;
  for (let delay = options.delay; ; delay += least + Math.random() * (most - least)) {
    try {
      await action();
      return;
    } catch (error) {
      if (!options.when(error)) throw error;
      console.log(`retrying in ${Math.round(delay)} ms: ${String(error)}`);
      await sleep(delay);
    }
  }
}
