/**
 * Which deliveries of one channel life are unsettled, by delivery tag.
 *
 * A broker numbers the deliveries of a channel from 1 (basic.deliver and basic.get-ok alike). Whoever settles a tag that
 * is unknown or settled already loses the channel (406), so each tag is looked up here first. Must not know frames.
 */
import { UnexpectedFrameError } from '../errors.js';

/** Tags between the first unsettled and the last; no prefetch allows as many, so beyond it the peer is broken. */
const maximumSpan = 16 * 1024 * 1024;

export class UnsettledDeliveries {
  /** A ring by tag, 1 for unsettled; its length is a power of two. */
  #ring = new Uint8Array(256);
  /** No tag below this one is unsettled. */
  #first: number;
  #next: number;
  #last: number;
  #size = 0;

  /** `after`: the last tag that others keep. */
  constructor(after = 0) {
    this.#first = after + 1;
    this.#next = after + 1;
    this.#last = after;
  }

  /** How many are unsettled. */
  get size(): number {
    return this.#size;
  }

  /** The lowest that is unsettled; where none is, the next one to come, at least. */
  get first(): number {
    return this.#first;
  }

  /** The highest tag seen; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  /**
   * Notes a delivery that is to be settled. Throws UnexpectedFrameError for a tag that comes again, or jumps too far.
   */
  note(tag: number): void {
    if (this.#size === 0 && tag >= this.#next) {
      this.#first = tag;
      this.#next = tag;
    }
    if (tag < this.#next || tag - this.#first >= maximumSpan) {
      throw new UnexpectedFrameError(`delivery tag ${String(tag)} where ${String(this.#next)} was due`);
    }
    this.#makeRoom(this.#first, tag);
    this.#ring[tag & (this.#ring.length - 1)] = 1;
    this.#next = tag + 1;
    this.#size += 1;
    if (tag > this.#last) this.#last = tag;
  }

  /**
   * Notes a delivery that needs no settlement (noAck). RabbitMQ gives a direct reply the tag that the next delivery
   * will have, so it may come again.
   */
  noteSettled(tag: number): void {
    if (tag > this.#last) this.#last = tag;
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

  /** Settles everything up to a tag; `settled` is given the tags. */
  settleThrough(tag: number, settled?: number[]): void {
    const ring = this.#ring;
    const mask = ring.length - 1;
    while (this.#first < this.#next && (this.#first <= tag || ring[this.#first & mask] === 0)) {
      if (ring[this.#first & mask] === 1) {
        ring[this.#first & mask] = 0;
        this.#size -= 1;
        settled?.push(this.#first);
      }
      this.#first += 1;
    }
  }

  /** A tag that was settled is unsettled again. */
  restore(tag: number): void {
    const first = Math.min(tag, this.#first);
    this.#makeRoom(first, this.#next - 1);
    this.#first = first;
    this.#ring[tag & (this.#ring.length - 1)] = 1;
    this.#size += 1;
  }

  /** Makes the ring long enough for the tags from `first` to `last`. */
  #makeRoom(first: number, last: number): void {
    const old = this.#ring;
    let length = old.length;
    while (last - first >= length) length *= 2;
    if (length === old.length) return;
    const ring = new Uint8Array(length);
    for (let tag = this.#first; tag < this.#next; tag++) ring[tag & (length - 1)] = old[tag & (old.length - 1)] ?? 0;
    this.#ring = ring;
  }
}
