/**
 * What ends a handler before it is done: its time-out, or the end of its application. An AbortSignal costs more than most
 * handlers: it is made when somebody asks for it.
 */
export class Ending {
  #controller: AbortController | undefined;
  #reason: Error | undefined;
  #onEnd: ((reason: Error) => void) | undefined;

  /** Called once, when it ends, or now where it has. */
  set onEnd(listener: ((reason: Error) => void) | undefined) {
    this.#onEnd = listener;
    if (this.#reason) listener?.(this.#reason);
  }

  /** Why it ended; undefined before. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** Aborts with the reason. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason && !this.#controller.signal.aborted) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  /** Follows the work, or rejects with why it ended before that was done; what comes of it later is heard and ignored. */
  unlessEnded<Result>(work: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.onEnd = reject;
      work().then(resolve, reject);
    });
  }

  /** The first reason counts. */
  end(reason: Error): void {
    if (this.#reason) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#onEnd?.(reason);
  }
}
