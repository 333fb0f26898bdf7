/** First in, first out. Taking is cheap however many there are, and memory follows what is in it. */
export class Fifo<Entry> {
  #entries: Entry[] = [];
  /** Entries before this one were taken. */
  #first = 0;

  get size(): number {
    return this.#entries.length - this.#first;
  }

  /** The next; undefined where there is none. */
  get head(): Entry | undefined {
    return this.#entries[this.#first];
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
  }

  shift(): Entry | undefined {
    const entry = this.#entries[this.#first];
    if (this.size === 0) return undefined;
    this.#first += 1;
    // Half of it was taken: moving the rest costs each entry one move on average.
    if (this.#first * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
    return entry;
  }

  /** All of it, which leaves it empty. */
  takeAll(): Entry[] {
    const entries = this.#entries.slice(this.#first);
    this.#entries = [];
    this.#first = 0;
    return entries;
  }
}
