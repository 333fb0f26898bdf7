/** The one answer on channel 0 that a connection waits for at a time: a step of the handshake, update-secret-ok. */
import { TimeoutError } from '../errors.js';
import type { Method, MethodName } from '../protocol/index.js';

interface Expectation {
  readonly names: readonly MethodName[];
  readonly resolve: (method: Method) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class ExpectedMethod {
  #present: Expectation | undefined;
  #step = 'connection.start';
  /** Answers that nobody waits for any longer, and that may still come. */
  #lateAnswers = 0;

  /** What was last waited for, for messages to people. */
  get step(): string {
    return this.#step;
  }

  /** Resolves with one of the methods; rejects with TimeoutError after `limit` milliseconds, or as `end` says. */
  wait(step: string, names: readonly MethodName[], limit: number): Promise<Method> {
    this.#step = step;
    const reply = new Promise<Method>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#present = undefined;
        this.#lateAnswers += 1;
        reject(new TimeoutError(step, limit));
      }, limit);
      this.#present = { names, resolve, reject, timer };
    });
    // It may be rejected before anyone awaits it; whoever ended the life reports that all the same.
    reply.catch(() => undefined);
    return reply;
  }

  /** True when the method is awaited; `resolve` then tells who waits. */
  awaits(name: MethodName): boolean {
    return this.#present?.names.includes(name) === true;
  }

  resolve(method: Method): void {
    this.#take()?.resolve(method);
  }

  /** True for an answer that was given up: it means nothing any more. */
  takeLate(): boolean {
    if (this.#lateAnswers === 0) return false;
    this.#lateAnswers -= 1;
    return true;
  }

  /** Nothing will come any more. */
  end(error: Error): void {
    this.#take()?.reject(error);
  }

  #take(): Expectation | undefined {
    const present = this.#present;
    this.#present = undefined;
    clearTimeout(present?.timer);
    return present;
  }
}
