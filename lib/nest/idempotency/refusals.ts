/** What an idempotent handler cannot be. Pure. */
import { ConfigurationError } from '../errors.js';

/** Throws ConfigurationError naming the handler. */
export function refuseIdempotent(
  name: string,
  when: 'after' | 'before' | 'manual',
  { isReplying = false, isBatched = false }: { isReplying?: boolean; isBatched?: boolean } = {},
): void {
  if (isBatched) {
    throw new ConfigurationError(name, '@Idempotent: it is given batches, of which a part may be done and another not');
  }
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
