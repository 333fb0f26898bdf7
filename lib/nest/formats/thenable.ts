/**
 * Tells promises, of whichever realm, from values. Whoever asks does not wait for one: its rejection is heard here, and ends no
 * process.
 */
export function isThenable(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  try {
    if (typeof (value as { then?: unknown }).then !== 'function') return false;
    Promise.resolve(value).catch(() => undefined);
    return true;
  } catch {
    // Nobody could use what does not let itself be asked.
    return true;
  }
}
