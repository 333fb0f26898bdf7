/** What users' code throws where the broker calls it: a process warning, never the broker's failure. */
import { messageOf } from '../amqp/errors.js';

/** Never throws, whatever was thrown: `emitWarning` itself refuses an Error of another realm, as under Jest. */
export function warn(error: unknown, type: string): void {
  const stack = typeof error === 'object' && error !== null && 'stack' in error ? error.stack : undefined;
  process.emitWarning(messageOf(error), { type, ...(typeof stack === 'string' ? { detail: stack } : {}) });
}
