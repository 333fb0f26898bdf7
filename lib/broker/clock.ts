/**
 * The time of a broker: what in it waits for a while (expiry, unused queues, confirms that are held back) waits by this clock,
 * which goes as timers do, whatever the date of the machine, and can be moved on by a test.
 *
 * Sockets do not: heartbeats and the time for a handshake are about a peer, who has a clock of its own.
 */
import { ArgumentError, WrongStateError } from '../amqp/errors.js';
import { ElapsedTime } from './elapsed-time.js';
import { shown } from './shown.js';

/** Something that happens later. */
export interface ClockTimer {
  /** Milliseconds since 1970, by the broker's clock. */
  readonly due: number;
  /** It does not happen; harmless where it has. */
  cancel(): void;
}

/** The longest delay that a Node timer takes, in milliseconds. */
const longestTimer = 0x7fff_ffff;

export class BrokerClock {
  readonly #elapsed = new ElapsedTime();
  /** What it showed when it was last looked at: the date of the machine at its start, and all that has passed since. */
  #time = Date.now();
  /** The time while it is moved: what happens on the way takes none. */
  #moment: number | undefined;
  /** In the order in which they were set. */
  readonly #timers = new Set<PendingTimer>();

  /** Whole milliseconds since 1970. */
  now(): number {
    if (this.#moment !== undefined) return this.#moment;
    this.#time += this.#elapsed.take();
    return Math.floor(this.#time);
  }

  /** Calls `action` after so many milliseconds. */
  after(milliseconds: number, action: () => void): ClockTimer {
    return this.at(this.now() + milliseconds, action);
  }

  /** Calls `action` at that time, in milliseconds since 1970. */
  at(time: number, action: () => void): ClockTimer {
    const timer = new PendingTimer(time, action, this.#timers, () => {
      // It is as late as that now, whatever else says how late it is: fake timers need not move any other clock.
      if (this.now() < time) this.#time = time;
    });
    this.#timers.add(timer);
    timer.wait(this.now());
    return timer;
  }

  /** Milliseconds until the next thing that is due; undefined where nothing is. */
  untilNext(): number | undefined {
    const next = this.#next();
    return next && Math.max(0, next.due - this.now());
  }

  /**
   * Moves the clock on. All that falls due on the way happens before this returns, each at its own time and in that order,
   * what was set on the way among it. Throws ArgumentError for what is no number of milliseconds, and WrongStateError while it
   * is being moved.
   */
  advance(milliseconds: number): void {
    if (!Number.isFinite(milliseconds) || milliseconds < 0) {
      throw new ArgumentError('milliseconds', `must be a number from 0 on, not ${shown(milliseconds)}`);
    }
    if (this.#moment !== undefined) throw new WrongStateError('advance: time is being moved already');
    const end = this.now() + milliseconds;
    this.#moment = this.now();
    try {
      for (let next = this.#next(); next && next.due <= end; next = this.#next()) {
        // Time does not go back: what is overdue happens now.
        this.#moment = Math.max(this.#moment, next.due);
        next.happen();
      }
    } finally {
      this.#moment = undefined;
      // What it took to get there is not of it.
      this.#elapsed.take();
      this.#time = end;
      for (const timer of this.#timers) timer.wait(this.now());
    }
  }

  /** Nothing that waits happens any more. */
  stop(): void {
    for (const timer of this.#timers) timer.cancel();
  }

  /** Of two that are due at once the one that was set first. */
  #next(): PendingTimer | undefined {
    let next: PendingTimer | undefined;
    for (const timer of this.#timers) if (!next || timer.due < next.due) next = timer;
    return next;
  }
}

class PendingTimer implements ClockTimer {
  readonly due: number;
  readonly #action: () => void;
  readonly #all: Set<PendingTimer>;
  readonly #onTime: () => void;
  #timeout: NodeJS.Timeout | undefined;

  /** `onTime`: called before the action where Node's own timer brings it. */
  constructor(due: number, action: () => void, all: Set<PendingTimer>, onTime: () => void) {
    this.due = due;
    this.#action = action;
    this.#all = all;
    this.#onTime = onTime;
  }

  /** Waits anew, by Node's own timer, which cannot wait for more than 24 days. */
  wait(now: number): void {
    clearTimeout(this.#timeout);
    const left = Math.max(0, this.due - now);
    this.#timeout = setTimeout(
      () => {
        if (left > longestTimer) {
          this.wait(now + longestTimer);
          return;
        }
        this.#onTime();
        this.happen();
      },
      Math.min(left, longestTimer),
    );
  }

  happen(): void {
    this.cancel();
    this.#action();
  }

  cancel(): void {
    clearTimeout(this.#timeout);
    this.#all.delete(this);
  }
}
