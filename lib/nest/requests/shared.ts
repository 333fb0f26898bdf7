/** Something that is opened at the first use, once for all who ask, and anew after it failed, ended or was forgotten. */
export class Shared<Thing> {
  readonly #open: (onEnd: () => void) => Promise<Thing>;
  #opened: Promise<Thing> | undefined;

  /** `open` calls `onEnd` when what it opened is over. */
  constructor(open: (onEnd: () => void) => Promise<Thing>) {
    this.#open = open;
  }

  get(): Promise<Thing> {
    if (this.#opened) return this.#opened;
    // An end that is told late must not cost those their own who ask by then.
    const onEnd = (): void => {
      if (this.#opened === opened) this.#opened = undefined;
    };
    const opened = this.#open(onEnd).catch((error: unknown) => {
      onEnd();
      throw error;
    });
    this.#opened = opened;
    return opened;
  }

  forget(): void {
    this.#opened = undefined;
  }
}
