/**
 * Who waits for an abort, by signal. A signal that thousands of publishes share gets one listener: Node warns of a leak
 * beyond ten.
 */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls back when the signal aborts; the answer takes that back. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const callbacks = waiting.get(signal) ?? listenTo(signal);
  callbacks.add(callback);
  return () => {
    callbacks.delete(callback);
  };
}

function listenTo(signal: AbortSignal): Set<() => void> {
  const callbacks = new Set<() => void>();
  waiting.set(signal, callbacks);
  const tell = (): void => {
    for (const callback of [...callbacks]) callback();
    callbacks.clear();
  };
  signal.addEventListener('abort', tell, { once: true });
  return callbacks;
}
