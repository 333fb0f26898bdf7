/**
 * Whose turn it is: consumers of one queue, by priority, and in rotation among equals.
 *
 * Who is asked and cannot take loses his place, and comes last when he can again, as on RabbitMQ
 * (rabbit_queue_consumers). With a single active consumer only that one is asked. Pure; must not know messages.
 */
export interface TurnTaker {
  /** x-priority; higher ones are asked first. */
  readonly priority: number;
  /** Whether it can take one more message now. */
  canTake(): boolean;
}

/** Consumers of one queue, and whose turn it is. */
export interface Turns<Taker extends TurnTaker> {
  readonly count: number;
  /** Those that queue.declare-ok counts. */
  readonly shownCount: number;
  some(predicate: (taker: Taker) => boolean): boolean;
  add(taker: Taker): void;
  /** Answers whether it was there. */
  remove(taker: Taker): boolean;
  /** Removes all; answers who they were. */
  clear(): readonly Taker[];
  /** Some may be able to take again. */
  unblock(): void;
  /** The taker whose turn it is, and moves on; undefined when none can take. */
  next(): Taker | undefined;
  /** It took what it was asked for. */
  took(taker: Taker): void;
}

interface Level<Taker> {
  readonly priority: number;
  readonly takers: Taker[];
}

export class ConsumerTurns<Taker extends TurnTaker> implements Turns<Taker> {
  readonly #isSingle: boolean;
  readonly #leavesWhenFull: boolean;
  /** Those that may be asked; highest priority first, and the one whose turn is next at the head. */
  readonly #levels: Level<Taker>[] = [];
  /** Those that were asked and could not. */
  #blocked: Taker[] = [];
  #active: Taker | undefined;
  #count = 0;

  /** `leavesWhenFull`: who took its last loses its place at once, as in quorum queues, and not when it is asked again. */
  constructor({ isSingle = false, leavesWhenFull = false }: { isSingle?: boolean; leavesWhenFull?: boolean }) {
    this.#isSingle = isSingle;
    this.#leavesWhenFull = leavesWhenFull;
  }

  get count(): number {
    return this.#count;
  }

  get shownCount(): number {
    return this.#count;
  }

  some(predicate: (taker: Taker) => boolean): boolean {
    return this.#blocked.some(predicate) || this.#levels.some(({ takers }) => takers.some(predicate));
  }

  add(taker: Taker): void {
    this.#append(taker);
    this.#count++;
    this.#active ??= taker;
  }

  remove(taker: Taker): boolean {
    const blockedIndex = this.#blocked.indexOf(taker);
    if (blockedIndex >= 0) this.#blocked.splice(blockedIndex, 1);
    else if (!this.#takeOut(taker)) return false;
    this.#count--;
    if (this.#active === taker) this.#active = this.#levels[0]?.takers[0] ?? this.#blocked[0];
    return true;
  }

  clear(): readonly Taker[] {
    const takers = [...this.#levels.flatMap((level) => level.takers), ...this.#blocked];
    this.#levels.length = 0;
    this.#blocked = [];
    this.#count = 0;
    this.#active = undefined;
    return takers;
  }

  /** Those that can take again come back, each behind all others of its priority. */
  unblock(): void {
    if (this.#blocked.length === 0) return;
    const blocked = this.#blocked;
    this.#blocked = [];
    blocked.sort((left, right) => right.priority - left.priority);
    for (const taker of blocked) {
      if (taker.canTake()) this.#append(taker);
      else this.#blocked.push(taker);
    }
  }

  next(): Taker | undefined {
    if (this.#isSingle) return this.#nextSingle();
    for (let level = this.#levels[0]; level; level = this.#levels[0]) {
      const { takers } = level;
      const [taker] = takers;
      if (taker?.canTake()) {
        if (takers.length > 1) {
          takers.shift();
          takers.push(taker);
        }
        return taker;
      }
      takers.shift();
      if (taker) this.#blocked.push(taker);
      if (takers.length === 0) this.#levels.shift();
    }
    return undefined;
  }

  took(taker: Taker): void {
    if (this.#leavesWhenFull && !taker.canTake() && this.#takeOut(taker)) this.#blocked.push(taker);
  }

  #nextSingle(): Taker | undefined {
    const active = this.#active;
    if (!active || this.#blocked.includes(active)) return undefined;
    if (active.canTake()) return active;
    if (this.#takeOut(active)) this.#blocked.push(active);
    return undefined;
  }

  #append(taker: Taker): void {
    const level = this.#levels.find(({ priority }) => priority === taker.priority);
    if (level) {
      level.takers.push(taker);
      return;
    }
    this.#levels.push({ priority: taker.priority, takers: [taker] });
    this.#levels.sort((left, right) => right.priority - left.priority);
  }

  #takeOut(taker: Taker): boolean {
    const levelIndex = this.#levels.findIndex(({ priority }) => priority === taker.priority);
    const takers = this.#levels[levelIndex]?.takers ?? [];
    const index = takers.indexOf(taker);
    if (index < 0) return false;
    takers.splice(index, 1);
    if (takers.length === 0) this.#levels.splice(levelIndex, 1);
    return true;
  }
}
