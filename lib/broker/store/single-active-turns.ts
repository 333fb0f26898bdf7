/**
 * Whose turn it is among the consumers of a quorum queue that has a single active one (rabbit_fifo).
 *
 *   waiting -> active -> waiting     for a consumer of higher priority, when nothing is unacknowledged
 *              active -> quiescing   the same, while something is: it gets no more
 *              quiescing -> waiting  all is settled; then the best that waits is active
 *
 * Pure; must not know messages.
 */
import type { Turns, TurnTaker } from './consumer-turns.js';

export interface SingleTurnTaker extends TurnTaker {
  readonly unackedCount: number;
  /** Messages that it may still take. */
  readonly room: number;
}

export class SingleActiveTurns<Taker extends SingleTurnTaker> implements Turns<Taker> {
  readonly #honoursPriority: boolean;
  /** In the order in which they came. */
  #takers: Taker[] = [];
  #active: Taker | undefined;
  #isQuiescing = false;

  /** `honoursPriority`: higher priorities take over; else the first that came is active until it goes. */
  constructor(honoursPriority: boolean) {
    this.#honoursPriority = honoursPriority;
  }

  get count(): number {
    return this.#takers.length;
  }

  /** Those that wait are not counted. */
  get shownCount(): number {
    return this.#active ? 1 : 0;
  }

  some(predicate: (taker: Taker) => boolean): boolean {
    return this.#takers.some(predicate);
  }

  add(taker: Taker): void {
    this.#takers.push(taker);
    this.#activate();
  }

  remove(taker: Taker): boolean {
    const index = this.#takers.indexOf(taker);
    if (index < 0) return false;
    this.#takers.splice(index, 1);
    if (this.#active === taker) this.#retire();
    this.#activate();
    return true;
  }

  clear(): readonly Taker[] {
    const takers = this.#takers;
    this.#takers = [];
    this.#retire();
    return takers;
  }

  unblock(): void {
    if (this.#isQuiescing && this.#active?.unackedCount === 0) this.#retire();
    this.#activate();
  }

  next(): Taker | undefined {
    return this.#active && !this.#isQuiescing && this.#active.canTake() ? this.#active : undefined;
  }

  took(): void {
    // Only one has turns.
  }

  #retire(): void {
    this.#active = undefined;
    this.#isQuiescing = false;
  }

  #activate(): void {
    const best = this.#best();
    if (!best) return;
    if (!this.#active) {
      this.#active = best;
    } else if (this.#honoursPriority && best.priority > this.#active.priority) {
      if (this.#active.unackedCount === 0) this.#active = best;
      else this.#isQuiescing = true;
    }
  }

  /** Of those that wait: the highest priority, then the most room, then who came first. */
  #best(): Taker | undefined {
    let best: Taker | undefined;
    for (const taker of this.#takers) {
      if (taker === this.#active) continue;
      if (!best || (this.#honoursPriority && isBetter(taker, best))) best = taker;
    }
    return best;
  }
}

function isBetter(taker: SingleTurnTaker, other: SingleTurnTaker): boolean {
  return taker.priority === other.priority ? taker.room > other.room : taker.priority > other.priority;
}
