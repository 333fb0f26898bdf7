/** Does something again and again until it works: what an application that does not wait for its broker needs. */
import type { LoggerService } from '@nestjs/common';
import { ParametersError } from '../../amqp/index.js';
import { ConfigurationError, describeError } from '../errors.js';
import { wait } from '../waiting.js';

/** Milliseconds before the second try, doubled each time. */
const firstDelay = 1_000;
const longestDelay = 30_000;

export interface Persistence {
  /** Ends it: the promise resolves then. */
  readonly signal: AbortSignal;
  readonly logger: LoggerService;
  /** For the log: `connection "default"`. */
  readonly title: string;
}

/**
 * Resolves when `action` worked, or the signal was given. Each new cause is logged once. Rejects with what no broker has a
 * part in: parameters that are wrong.
 */
export async function untilItWorks(action: () => Promise<void>, options: Persistence): Promise<void> {
  const { signal, logger, title } = options;
  let told: string | undefined;
  for (let delay = firstDelay; !signal.aborted; delay = Math.min(delay * 2, longestDelay)) {
    try {
      await action();
      if (told !== undefined && !isAborted(signal)) logger.log(`${title} is ready`);
      return;
    } catch (error) {
      if (isAborted(signal)) return;
      if (error instanceof ParametersError) throw error;
      if (error instanceof ConfigurationError && error.cause instanceof ParametersError) throw error;
      const { message } = describeError(error);
      if (message !== told) logger.warn(`${title} is not ready: ${message}; trying on in the background`);
      told = message;
    }
    await wait(delay, signal);
  }
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
