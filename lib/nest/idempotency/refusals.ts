/** What an idempotent handler cannot be. Pure. */
import { ConfigurationError } from '../errors.js';

/** Throws ConfigurationError naming the handler. */
export function refuseIdempotent(name: string, when: 'after' | 'before' | 'manual', isReplying: boolean): void {
  if (when === 'manual') {
    throw new ConfigurationError(
      name,
      '@Idempotent: its handler settles by hand, and could acknowledge what is rolled back afterwards',
    );
  }
  if (isReplying) {
    throw new ConfigurationError(
      name,
      '@Idempotent: it replies, and there would be no reply to a request that is repeated',
    );
  }
}
