/**
 * Which deliveries of one channel life are unsettled, by delivery tag.
 *
 * A broker numbers the deliveries of a channel from 1 (basic.deliver and basic.get-ok alike). Whoever settles a tag that
 * is unknown or settled already loses the channel (406), so each tag is looked up here first. Must not know frames.
 */
import { UnexpectedFrameError } from '../errors.js';

/** Tags may be left out, though no broker is known to; a jump beyond this many is a broken peer's. */
const maximumGap = 65_536;

export class UnsettledDeliveries {
  /** A ring by tag, 1 for unsettled; its length is a power of two. */
  #ring = new Uint8Array(256);
  /** No tag below this one is unsettled. */
  #first = 1;
  #next = 1;
  #size = 0;

  /** How many are unsettled. */
  get size(): number {
    return this.#size;
  }

  /** The highest tag seen; 0 before the first. */
  get last(): number {
    return this.#next - 1;
  }

  /** Notes a delivery; one that came with noAck counts in the numbering only. Throws UnexpectedFrameError. */
  note(tag: number, needsSettlement: boolean): void {
    if (tag < this.#next || tag - this.#next > maximumGap) {
      throw new UnexpectedFrameError(`delivery tag ${String(tag)} where ${String(this.#next)} was due`);
    }
    if (this.#size === 0) {
      this.#first = tag;
      this.#next = tag;
    }
    while (tag - this.#first >= this.#ring.length) this.#grow();
    const mask = this.#ring.length - 1;
    while (this.#next < tag) this.#ring[this.#next++ & mask] = 0;
    this.#ring[tag & mask] = needsSettlement ? 1 : 0;
    this.#next = tag + 1;
    if (needsSettlement) this.#size += 1;
  }

  has(tag: number): boolean {
    return tag >= this.#first && tag < this.#next && this.#ring[tag & (this.#ring.length - 1)] === 1;
  }

  /** Settles one tag that `has` knows. */
  settle(tag: number): void {
    const ring = this.#ring;
    const mask = ring.length - 1;
    ring[tag & mask] = 0;
    this.#size -= 1;
    if (tag !== this.#first) return;
    while (this.#first < this.#next && ring[this.#first & mask] === 0) this.#first += 1;
  }

  /** Settles everything up to a tag. */
  settleThrough(tag: number): void {
    const ring = this.#ring;
    const mask = ring.length - 1;
    while (this.#first < this.#next && (this.#first <= tag || ring[this.#first & mask] === 0)) {
      this.#size -= ring[this.#first & mask] ?? 0;
      this.#first += 1;
    }
  }

  #grow(): void {
    const old = this.#ring;
    const ring = new Uint8Array(old.length * 2);
    for (let tag = this.#first; tag < this.#next; tag++)
      ring[tag & (ring.length - 1)] = old[tag & (old.length - 1)] ?? 0;
    this.#ring = ring;
  }
}
