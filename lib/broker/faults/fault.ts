/** One fault that was asked for: how often it struck, and how it is ended. */
import { ArgumentError, WrongStateError } from '../../amqp/errors.js';
import type { FaultyConnection } from '../serve/fault-hooks.js';

interface Waiting {
  readonly strikes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Fault {
  #strikes = 0;
  #isOver = false;
  /** It strikes no more, though it may last. */
  #isSpent = false;
  /** What takes it back, for each connection on which it lasts. */
  readonly #undo = new Map<FaultyConnection, (() => void)[]>();
  #waiting: Waiting[] = [];
  readonly #onEnd: (fault: Fault) => void;

  /** @internal Made by `broker.faults`. */
  constructor(onEnd: (fault: Fault) => void = () => {}) {
    this.#onEnd = onEnd;
  }

  /** How often it struck: connections, or the channels, consumers or methods on which it did. */
  get strikes(): number {
    return this.#strikes;
  }

  /** It was ended, or has struck as often as it was to, and left nothing that lasts. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Resolves when it has struck so often, at once where it has. Rejects with WrongStateError as soon as that cannot come any
   * more: it was ended, or has struck as often as it was to.
   */
  struck(times = 1): Promise<void> {
    if (!(times >= 0)) throw new ArgumentError('times', `must be a number from 0 on, not ${String(times)}`);
    const struck = new Promise<void>((resolve, reject) => {
      if (this.#strikes >= times) resolve();
      else this.#waiting.push({ strikes: times, resolve, reject });
    });
    // Who does not wait for it any more when all faults are ended is not to be told as a rejection that nobody handles.
    struck.catch(() => undefined);
    if (this.#isSpent) this.#giveUp();
    return struck;
  }

  #giveUp(): void {
    for (const { strikes, reject } of this.#waiting.splice(0)) {
      const wanted = strikes === 1 ? 'once' : `${String(strikes)} times`;
      const done = this.#strikes === 1 ? 'once' : `${String(this.#strikes)} times`;
      reject(new WrongStateError(`the fault will not strike ${wanted}: it struck ${done}, and strikes no more`));
    }
  }

  /**
   * Ends it: it strikes no more, and what it changed is as before: what was held back goes out, and so on. What it has
   * dropped or closed stays so. Calling it again changes nothing.
   */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isSpent = true;
    this.#onEnd(this);
    const undo = [...this.#undo.values()].flat();
    this.#undo.clear();
    for (const step of undo) step();
    this.#giveUp();
  }

  /** The same as `end()`, for `using`. */
  [Symbol.dispose](): void {
    this.end();
  }

  /** @internal It struck, so many things; `undo` where it lasts. */
  note(connection: FaultyConnection, count: number, undo?: () => void): void {
    if (undo) this.#undo.set(connection, [...(this.#undo.get(connection) ?? []), undo]);
    this.#strikes += count;
    const isDue = ({ strikes }: Waiting): boolean => strikes <= this.#strikes;
    const due = this.#waiting.filter(isDue);
    this.#waiting = this.#waiting.filter((one) => !isDue(one));
    for (const { resolve } of due) resolve();
  }

  /** @internal It lasts on this connection. */
  isOn(connection: FaultyConnection): boolean {
    return this.#undo.has(connection);
  }

  /** @internal The connection is gone, and what lasted on it. */
  forget(connection: FaultyConnection): void {
    this.#undo.delete(connection);
  }

  /** @internal Of what it did to this connection, nothing is left to take back by this. */
  forgetStep(connection: FaultyConnection, undo: () => void): void {
    const left = this.#undo.get(connection)?.filter((other) => other !== undo) ?? [];
    if (left.length > 0) this.#undo.set(connection, left);
    else this.#undo.delete(connection);
  }

  /** @internal It will strike no more; it goes on where it lasts. */
  exhaust(): void {
    this.#isSpent = true;
    if (this.#undo.size === 0) this.end();
    else this.#giveUp();
  }
}
