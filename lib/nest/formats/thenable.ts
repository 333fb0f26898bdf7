/** Tells promises, of whichever realm, from values. */
export function isThenable(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  try {
    return typeof (value as { then?: unknown }).then === 'function';
  } catch {
    // Nobody could use what does not let itself be asked.
    return true;
  }
}
