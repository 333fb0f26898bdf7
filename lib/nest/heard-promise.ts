/**
 * A promise that knows whether anybody waits for it: a failure that nobody awaited is reported, and is no
 * `unhandledRejection`, which would end the process.
 */
export class HeardPromise<Outcome> extends Promise<Outcome> {
  /** `then`, `catch` and `finally` give ordinary promises. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  #isAwaited = false;

  /** Follows `outcome`; `onUnheard` is told of its failure where nobody had asked for it when it came. */
  static follow<Outcome>(outcome: Promise<Outcome>, onUnheard: (error: unknown) => void): HeardPromise<Outcome> {
    const promise = new HeardPromise<Outcome>((resolve, reject) => {
      outcome.then(resolve, reject);
    });
    void super.prototype.then.call(promise, undefined, (error: unknown) => {
      // After the turn in which it failed: whoever awaits several in a row has had the time to say so.
      setImmediate(() => {
        if (!promise.#isAwaited) onUnheard(error);
      });
    });
    return promise;
  }

  override then<Value = Outcome, Failure = never>(
    onFulfilled?: ((value: Outcome) => Value | PromiseLike<Value>) | null,
    onRejected?: ((reason: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<Value | Failure> {
    this.#isAwaited = true;
    return super.then(onFulfilled, onRejected);
  }
}
