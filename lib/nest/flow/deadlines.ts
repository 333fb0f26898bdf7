/**
 * Limits of one length for many that run at a time, with one timer for all of them: a timer for each costs more than half a
 * microsecond, which is felt where a message takes twenty.
 */

/** A limit that runs. */
export interface Deadline {
  readonly at: number;
  readonly onTime: () => void;
  previous: Deadline | undefined;
  next: Deadline | undefined;
  isOpen: boolean;
}

export class Deadlines {
  readonly #limit: number;
  /** In the order in which they end. */
  #first: Deadline | undefined;
  #last: Deadline | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Some end at this moment: the timer is set for what is left after them. */
  #isLooking = false;

  /** `limit`: milliseconds. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Calls `onTime` after the limit, unless it is ended before. `onTime` must not throw. */
  begin(onTime: () => void): Deadline {
    const at = performance.now() + this.#limit;
    const deadline: Deadline = { at, onTime, previous: this.#last, next: undefined, isOpen: true };
    if (this.#last) this.#last.next = deadline;
    else this.#first = deadline;
    this.#last = deadline;
    if (this.#timer) this.#timer.ref();
    else if (!this.#isLooking) this.#wait(this.#limit);
    return deadline;
  }

  /** Idempotent. */
  end(deadline: Deadline): void {
    if (!deadline.isOpen) return;
    deadline.isOpen = false;
    const { previous, next } = deadline;
    if (previous) previous.next = next;
    else this.#first = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    // A timer that is left behind would keep the process alive; one that is there is used by the next.
    if (!this.#first) this.#timer?.unref();
  }

  #look(): void {
    this.#timer = undefined;
    this.#isLooking = true;
    const now = performance.now();
    // Timers may come a little early.
    for (let first = this.#first; first && first.at <= now + 1; first = this.#first) {
      this.end(first);
      first.onTime();
    }
    this.#isLooking = false;
    if (this.#first) this.#wait(this.#first.at - now);
  }

  #wait(milliseconds: number): void {
    this.#timer = setTimeout(() => this.#look(), Math.max(1, milliseconds));
  }
}
