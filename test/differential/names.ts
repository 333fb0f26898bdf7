/** Names of a sequence, which begin with `~`, and those that stand for them on a broker. */
export class SequenceNames {
  readonly #prefix: string;
  readonly #generated = new Map<string, string>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** As the sequence calls it. */
  shown(text: string): string {
    return text.replaceAll(this.#prefix, '~').replaceAll(/amq\.(gen|ctag|rabbitmq\.reply-to\.)[-\w.=+/]+/g, (name) => {
      const shown = this.#generated.get(name) ?? `<generated ${this.#generated.size + 1}>`;
      this.#generated.set(name, shown);
      return shown;
    });
  }

  /** As the broker calls it. */
  real(value: unknown): unknown {
    if (typeof value === 'string') return value.startsWith('~') ? this.#prefix + value.slice(1) : value;
    if (Array.isArray(value)) return value.map((item) => this.real(item));
    if (typeof value !== 'object' || value === null || isInstance(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.real(item)]));
  }
}

/** A Date, a TypedField, bytes: not a table. */
const isInstance = (value: object): boolean =>
  ![Object.prototype, null].includes(Object.getPrototypeOf(value) as object);
