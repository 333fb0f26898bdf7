/** Typed events whose listeners cannot harm the one who tells: a throw or rejection becomes a process warning. */
import { ArgumentError, asError } from '../errors.js';

type Listener<Event> = (event: Event) => unknown;

export class Events<EventMap extends object> {
  readonly #listeners = new Map<keyof EventMap, { listener: Listener<never>; isOnce: boolean }[]>();

  /** Calls `listener` at every event of the name. What it throws, or rejects with, becomes a process warning. */
  on<Name extends keyof EventMap>(name: Name, listener: Listener<EventMap[Name]>): this {
    return this.#add(name, listener, false);
  }

  /** Calls `listener` at the next event of the name, as `on` does. */
  once<Name extends keyof EventMap>(name: Name, listener: Listener<EventMap[Name]>): this {
    return this.#add(name, listener, true);
  }

  /** No longer calls `listener`, which `on` or `once` was given; one that is not there is no error. */
  off<Name extends keyof EventMap>(name: Name, listener: Listener<EventMap[Name]>): this {
    const listeners = this.#listeners.get(name) ?? [];
    const index = listeners.findIndex((entry) => entry.listener === (listener as Listener<never>));
    if (index >= 0) this.#listeners.set(name, listeners.toSpliced(index, 1));
    return this;
  }

  /** How many listeners the event has. */
  listenerCount(name: keyof EventMap): number {
    return this.#listeners.get(name)?.length ?? 0;
  }

  protected emit<Name extends keyof EventMap>(name: Name, event: EventMap[Name]): void {
    for (const { listener, isOnce } of this.#listeners.get(name) ?? []) {
      if (isOnce) this.off(name, listener as Listener<EventMap[Name]>);
      callSafely(() => (listener as Listener<EventMap[Name]>)(event));
    }
  }

  #add(name: keyof EventMap, listener: Listener<never>, isOnce: boolean): this {
    if (typeof listener !== 'function') throw new ArgumentError('listener', 'must be a function');
    // A new array each time, so that a listener may add or remove others while it is called.
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), { listener, isOnce }]);
    return this;
  }
}

function callSafely(callback: () => unknown): void {
  try {
    const result = callback();
    if (result instanceof Promise) result.catch(reportCallbackError);
  } catch (error) {
    reportCallbackError(error);
  }
}

/** Tells of an error in a user's callback that nobody else hears of. */
export function reportCallbackError(thrown: unknown): void {
  const error = asError(thrown);
  process.emitWarning(`a callback failed: ${error.stack ?? error.message}`, 'LeveretWarning');
}

/** Tells of a channel that the broker closed where nobody listens for it. */
export function reportChannelLoss(cause: Error): void {
  process.emitWarning(`${cause.message}; it is reopened`, 'LeveretWarning');
}
