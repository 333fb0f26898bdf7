/**
 * How much time has gone by, as timers see it: by a clock that only goes forward, whatever is done to the date of the machine,
 * and by the fake one where a test runner has put its own timers in place of Node's.
 */

/* eslint-disable @typescript-eslint/unbound-method -- to tell fake ones from those of Node; called with their `this` */

const realTimeout = setTimeout;
const realNow = performance.now.bind(performance);
const realPerformanceNow = performance.now;
const realDateNow = Date.now;

/** Time that does not pass, but in timers that happen. */
const standingNow = (): number => 0;

type Source = (this: typeof performance) => number;

export class ElapsedTime {
  #source: Source;
  #last: number;

  constructor() {
    this.#source = currentSource();
    this.#last = this.#source.call(performance);
  }

  /** Milliseconds since the last call, never less than 0; none where another clock was put in place meanwhile. */
  take(): number {
    const source = currentSource();
    const isAnother = source !== this.#source;
    const before = this.#last;
    this.#source = source;
    this.#last = source.call(performance);
    return isAnother ? 0 : Math.max(0, this.#last - before);
  }
}

/**
 * What timers go by. Fake ones move `performance` or `Date`, or both, or neither: the first of them that is no more what it
 * was when this file was loaded.
 */
function currentSource(): Source {
  if (setTimeout === realTimeout) return realNow;
  if (performance.now !== realPerformanceNow) return performance.now;
  return Date.now === realDateNow ? standingNow : Date.now;
}
