/**
 * How long the deliveries of a channel are out, to a twentieth of a limit and at no cost for each: the broker numbers them in
 * their order, so the highest number that was there some ticks ago tells all that are older than that.
 */
export const ticksOfLimit = 20;

/** Of which a delivery is so old: a part of the limit, in whole twentieths. */
export class DeliveryAges {
  /** The highest tag at each of the last ticks. */
  #tags: number[] = [];

  /** To be called each twentieth of the limit, with the highest tag so far. */
  tick(lastTag: number): void {
    this.#tags.push(lastTag);
    if (this.#tags.length > ticksOfLimit) this.#tags.shift();
  }

  /** The highest tag that is out for so many ticks; all below it are too. 0: none. */
  tagAfter(ticks: number): number {
    return this.#tags[this.#tags.length - 1 - ticks] ?? 0;
  }
}

/** Milliseconds between two ticks. */
export function tickOf(limit: number): number {
  return Math.ceil(limit / ticksOfLimit);
}

/** Ticks after which it is half of the limit at most, and the part of the limit at which something is done. */
export const ticks = {
  /** 45 to 50 %: what waits goes back. */
  giveBack: 9,
  /** 50 to 55 %: who runs is warned of. */
  warn: 10,
  /** 85 to 90 %: what runs is settled. */
  expire: 17,
} as const;
