/**
 * Whose turn it is: consumers of one queue, by priority, and in rotation among equals.
 *
 * Pure; must not know messages. With a single active consumer only the first that came is asked.
 */
export interface TurnTaker {
  /** x-priority; higher ones are asked first. */
  readonly priority: number;
  /** Whether it can take one more message now. */
  canTake(): boolean;
}

interface Level<Taker> {
  readonly priority: number;
  readonly takers: Taker[];
  next: number;
}

export class ConsumerTurns<Taker extends TurnTaker> {
  readonly #isSingle: boolean;
  /** Highest priority first. */
  readonly #levels: Level<Taker>[] = [];
  #active: Taker | undefined;
  #count = 0;

  constructor(isSingle: boolean) {
    this.#isSingle = isSingle;
  }

  get count(): number {
    return this.#count;
  }

  some(predicate: (taker: Taker) => boolean): boolean {
    return this.#levels.some(({ takers }) => takers.some(predicate));
  }

  add(taker: Taker): void {
    const level = this.#levels.find(({ priority }) => priority === taker.priority);
    if (level) {
      level.takers.push(taker);
    } else {
      this.#levels.push({ priority: taker.priority, takers: [taker], next: 0 });
      this.#levels.sort((left, right) => right.priority - left.priority);
    }
    this.#count++;
    this.#active ??= taker;
  }

  /** Answers whether it was there. */
  remove(taker: Taker): boolean {
    const levelIndex = this.#levels.findIndex(({ priority }) => priority === taker.priority);
    const level = this.#levels[levelIndex];
    const index = level?.takers.indexOf(taker) ?? -1;
    if (!level || index < 0) return false;
    level.takers.splice(index, 1);
    if (index < level.next) level.next--;
    if (level.takers.length === 0) this.#levels.splice(levelIndex, 1);
    this.#count--;
    if (this.#active === taker) this.#active = this.#levels[0]?.takers[0];
    return true;
  }

  /** Removes all; answers who they were. */
  clear(): readonly Taker[] {
    const takers = this.#levels.flatMap((level) => level.takers);
    this.#levels.length = 0;
    this.#count = 0;
    this.#active = undefined;
    return takers;
  }

  /** The taker whose turn it is, and moves on; undefined when none can take. */
  next(): Taker | undefined {
    if (this.#isSingle) return this.#active?.canTake() ? this.#active : undefined;
    for (const level of this.#levels) {
      const { takers } = level;
      for (let tried = 0; tried < takers.length; tried++) {
        const index = (level.next + tried) % takers.length;
        const taker = takers[index];
        if (taker?.canTake()) {
          level.next = index + 1 === takers.length ? 0 : index + 1;
          return taker;
        }
      }
    }
    return undefined;
  }
}
