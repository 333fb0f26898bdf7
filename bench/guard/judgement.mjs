// What the guard makes of its figures. Pure.
import { floor, ours } from '../clients/index.mjs';
import { short } from '../figures.mjs';

/** By how much a figure may be dearer than the baseline's. */
const allowed = 0.25;

/** The same for CPU time on a machine that has other work: fewer messages come together then, and each costs more. */
const allowedWhenBusy = 1;

/**
 * Collects what was measured of both. The least counts: work that others do on the machine adds to a figure, and takes
 * nothing away from it.
 */
export class Rounds {
  count = 0;
  #found = { [ours]: [], [floor]: [] };
  #yardstick = Infinity;

  add(name, { found, yardstick }) {
    this.#found[name].push(...found);
    this.#yardstick = Math.min(this.#yardstick, yardstick);
    if (name === floor) this.count += 1;
  }

  /** Bytes and CPU microseconds of a message, and these as multiples of the floor's and of the yardstick. */
  best() {
    const cpu = this.#least(ours, 'cpu');
    return {
      bytes: this.#least(ours, 'bytes'),
      cpu,
      ofFloor: cpu / this.#least(floor, 'cpu'),
      ofYardstick: cpu / this.#yardstick,
    };
  }

  #least(name, figure) {
    return Math.min(...this.#found[name].flatMap((one) => (one[figure] === undefined ? [] : [one[figure]])));
  }
}

/**
 * The CPU time is dearer when it is by both measures: the floor alone grows cheaper on a busy machine, which lets a socket
 * gather more before it is read.
 * @param isBusy whether the machine has other work
 * @returns {string[]} what is dearer than the baseline allows, in words
 */
export function judge(name, { bytes, ofFloor, ofYardstick }, baseline, isBusy) {
  if (baseline === undefined) return [`${name} has no baseline: npm run bench:guard -- --update`];
  if (bytes === Infinity) return [`${name}: garbage was collected in each round: nothing is known of allocations`];
  const found = [];
  const more = bytes / baseline.bytes;
  if (more > 1 + allowed) {
    found.push(
      `${name}: ${short(bytes)} bytes are allocated for a message, ${more.toFixed(2)} times the baseline's ${short(baseline.bytes)}`,
    );
  }
  const [byFloor, byYardstick] = [ofFloor / baseline.ofFloor, ofYardstick / baseline.ofYardstick];
  if (Math.min(byFloor, byYardstick) > 1 + (isBusy ? allowedWhenBusy : allowed)) {
    found.push(
      `${name}: the CPU time of a message is ${short(ofFloor)} times the floor's and ${short(ofYardstick)} times the yardstick, ` +
        `${byFloor.toFixed(2)} and ${byYardstick.toFixed(2)} times the baseline's`,
    );
  }
  return found;
}
