/** The formats of a connection or a handler, found by content type. Where none is found, JSON is meant. */
import { essenceOf } from './content-type.js';
import { rangesOf, type MessageFormat } from './message-format.js';

export const jsonType = 'application/json';

/** Content types come from outside: not every one is remembered. */
const mostRemembered = 256;

export class Formats {
  static readonly none = new Formats([]);

  /** By content type, ending or kind, in lower case. */
  readonly #ranges = new Map<string, MessageFormat>();
  readonly #fallback: Formats | undefined;
  readonly #found = new Map<string, MessageFormat | undefined>();

  /** `own` go before those of `fallback`. */
  constructor(own: readonly MessageFormat[], fallback?: Formats) {
    for (const format of own) for (const range of rangesOf(format)) this.#ranges.set(range.toLowerCase(), format);
    this.#fallback = fallback;
  }

  /**
   * The format for a content type; the one for `application/json` where there is none, or the message has no content type;
   * undefined: JSON as it is built in.
   */
  find(contentType: string | undefined): MessageFormat | undefined {
    if (this.#ranges.size === 0 && !this.#fallback) return undefined;
    const key = contentType ?? jsonType;
    if (this.#found.has(key)) return this.#found.get(key);
    const found = this.#claimed(essenceOf(key)) ?? this.#json();
    if (this.#found.size < mostRemembered) this.#found.set(key, found);
    return found;
  }

  /** The type itself, then its ending, then its kind. */
  #claimed(essence: string): MessageFormat | undefined {
    const suffix = essence.lastIndexOf('+');
    return (
      this.#ranges.get(essence) ??
      (suffix < 0 ? undefined : this.#ranges.get(essence.slice(suffix))) ??
      this.#ranges.get(`${essence.slice(0, essence.indexOf('/'))}/*`) ??
      (this.#fallback ? this.#fallback.#claimed(essence) : undefined)
    );
  }

  #json(): MessageFormat | undefined {
    return this.#ranges.get(jsonType) ?? (this.#fallback ? this.#fallback.#json() : undefined);
  }
}

/** Those of a handler before those of its connection. */
export function handlerFormats(own: readonly MessageFormat[] | undefined, ofConnection: Formats): Formats {
  return own === undefined || own.length === 0 ? ofConnection : new Formats(own, ofConnection);
}
