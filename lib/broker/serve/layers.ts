/** A setting that several may ask for at a time: the last one counts until whoever asked takes it back. Pure. */
export class Layers<Value> {
  #layers: { readonly value: Value }[] = [];
  readonly #onChange: () => void;

  constructor(onChange: () => void = () => {}) {
    this.#onChange = onChange;
  }

  /** What counts now; undefined: nobody asks for anything. */
  get top(): Value | undefined {
    return this.#layers.at(-1)?.value;
  }

  /** Asks for a value; the answer takes it back, once. */
  add(value: Value): () => void {
    const layer = { value };
    this.#layers.push(layer);
    this.#onChange();
    return () => {
      if (!this.#layers.includes(layer)) return;
      this.#layers = this.#layers.filter((other) => other !== layer);
      this.#onChange();
    };
  }
}
