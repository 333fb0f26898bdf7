/** What faults, for as long as they last, make a connection do otherwise than it would. */
import type { BrokerClock, ClockTimer } from '../clock.js';
import { Layers } from './layers.js';

/** Confirms that come so many milliseconds late, or never; what is held back can be let go before its time. */
export class ConfirmDelay {
  readonly #milliseconds: number;
  readonly #onEmpty: () => void;
  /** What brings each confirm, in the order of the publishes. */
  readonly #held = new Set<() => void>();
  #isReleased = false;

  /** Infinity: they are lost. `onEmpty`: the last that was held back has gone out. */
  constructor(milliseconds: number, onEmpty: () => void = () => {}) {
    this.#milliseconds = milliseconds;
    this.#onEmpty = onEmpty;
  }

  /** Nothing is held back any more. */
  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** Calls `answer` later, or never, where it is lost: then it answers nothing. */
  hold(answer: () => void, clock: BrokerClock): ClockTimer | undefined {
    if (this.#milliseconds === Infinity) return undefined;
    const bring = (): void => {
      held.cancel();
      answer();
      if (this.#held.size === 0) this.#onEmpty();
    };
    const timer = clock.after(this.#milliseconds, bring);
    const held = {
      due: timer.due,
      cancel: () => {
        timer.cancel();
        this.#held.delete(bring);
      },
    };
    this.#held.add(bring);
    return held;
  }

  /** What is held back goes out now; what is lost stays so. */
  release(): void {
    this.#isReleased = true;
    for (const bring of [...this.#held]) bring();
  }
}

/** What faults make of one publish. */
export interface PublishFate {
  readonly outcome?: 'nack' | 'return';
  readonly delay?: ConfirmDelay;
}

export class Conditions {
  /** Publishing is blocked, for this reason. */
  readonly blocked: Layers<string>;
  /** Confirms are late, or lost. */
  readonly confirmDelay = new Layers<ConfirmDelay>();
  /** Publishes reach no queue: each is refused with basic.nack, or is unroutable. */
  readonly publishes = new Layers<'nack' | 'return'>();
  /** The login is refused, whatever the password. */
  readonly refusedLogin = new Layers<true>();
  #fate: PublishFate | undefined;

  constructor(onBlockedChange: () => void) {
    this.blocked = new Layers(onBlockedChange);
  }

  /** The publish whose method is about to be handled, and it alone, has this fate. */
  mark(fate: PublishFate): void {
    this.#fate = { ...this.#fate, ...fate };
  }

  /** What the method that is handled now was marked with. */
  takeMark(): PublishFate | undefined {
    const fate = this.#fate;
    this.#fate = undefined;
    return fate;
  }
}
