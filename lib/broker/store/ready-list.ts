/**
 * The messages of a queue that wait for a consumer: by priority, then by order of arrival.
 *
 * Taking and adding are O(1); putting back costs the distance from the head, so that messages which were delivered
 * lately go back cheaply. Must not know queues or consumers.
 */
import type { QueuedMessage } from './message.js';

/** A ring of messages in rising order of their sequence. */
class Ring {
  #slots: (QueuedMessage | undefined)[] = new Array<QueuedMessage | undefined>(16);
  #head = 0;
  length = 0;

  peek(): QueuedMessage | undefined {
    return this.length === 0 ? undefined : this.#slots[this.#head];
  }

  push(message: QueuedMessage): void {
    this.#reserve();
    this.#slots[(this.#head + this.length) & (this.#slots.length - 1)] = message;
    this.length++;
  }

  shift(): QueuedMessage | undefined {
    if (this.length === 0) return undefined;
    const message = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.length--;
    return message;
  }

  putBack(message: QueuedMessage): void {
    this.#reserve();
    const mask = this.#slots.length - 1;
    this.#head = (this.#head - 1) & mask;
    this.length++;
    let position = 0;
    for (; position < this.length - 1; position++) {
      const next = this.#slots[(this.#head + position + 1) & mask];
      if (!next || next.sequence > message.sequence) break;
      this.#slots[(this.#head + position) & mask] = next;
    }
    this.#slots[(this.#head + position) & mask] = message;
  }

  *[Symbol.iterator](): Generator<QueuedMessage> {
    for (let index = 0; index < this.length; index++) {
      const message = this.#slots[(this.#head + index) & (this.#slots.length - 1)];
      if (message) yield message;
    }
  }

  #reserve(): void {
    const size = this.#slots.length;
    if (this.length < size) return;
    const slots = new Array<QueuedMessage | undefined>(size * 2);
    for (let index = 0; index < size; index++) slots[index] = this.#slots[(this.#head + index) & (size - 1)];
    this.#slots = slots;
    this.#head = 0;
  }
}

export interface ReadyListOptions {
  readonly returnsGoFirst?: boolean;
  readonly countsProperties?: boolean;
  readonly expiresEverywhere?: boolean;
}

export class ReadyList {
  /** One ring for each priority, the highest last; a plain queue has one. */
  readonly #rings: Ring[];
  /** What was put back, where that goes before all else; undefined: it goes back where it was. */
  #returns: Ring | undefined;
  readonly #countsProperties: boolean;
  readonly #expiresEverywhere: boolean;
  #length = 0;
  #byteLength = 0;
  /** How many have a time to live. */
  #mortalCount = 0;

  /**
   * `returnsGoFirst`: as in quorum queues, in the order in which they come back. `countsProperties`: bytes are those
   * of the properties too. `expiresEverywhere`: the first message of each priority may expire, and the first of what
   * came back; else only the one that goes next.
   */
  constructor(
    maximumPriority: number,
    { returnsGoFirst = false, countsProperties = false, expiresEverywhere = false }: ReadyListOptions = {},
  ) {
    this.#countsProperties = countsProperties;
    this.#expiresEverywhere = expiresEverywhere;
    this.#returns = returnsGoFirst ? new Ring() : undefined;
    this.#rings = Array.from({ length: maximumPriority + 1 }, () => new Ring());
  }

  get length(): number {
    return this.#length;
  }

  /** Bytes of all bodies, and of properties where they count. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** The message that goes next. */
  peek(): QueuedMessage | undefined {
    return this.#highest()?.peek();
  }

  push(message: QueuedMessage): void {
    this.#ringOf(message)?.push(message);
    this.#count(message, 1);
  }

  /** Puts a message back to where its sequence belongs, or before all others. */
  putBack(message: QueuedMessage): void {
    if (this.#returns) this.#returns.push(message);
    else this.#ringOf(message)?.putBack(message);
    this.#count(message, 1);
  }

  shift(): QueuedMessage | undefined {
    const message = this.#highest()?.shift();
    if (message) this.#count(message, -1);
    return message;
  }

  /** Takes out a message that is old enough to expire and stands where messages expire. */
  shiftExpired(now: number): QueuedMessage | undefined {
    for (const ring of this.#expiringRings()) {
      const head = ring.peek();
      if (head?.expiresAt === undefined || head.expiresAt > now) continue;
      ring.shift();
      this.#count(head, -1);
      return head;
    }
    return undefined;
  }

  /** When the next of those that stand where messages expire is old enough; undefined: none ever is. */
  nextExpiry(): number | undefined {
    let earliest: number | undefined;
    for (const ring of this.#expiringRings()) {
      const expiresAt = ring.peek()?.expiresAt;
      if (expiresAt !== undefined && (earliest === undefined || expiresAt < earliest)) earliest = expiresAt;
    }
    return earliest;
  }

  /** In the order in which their messages would be delivered. */
  #expiringRings(): readonly Ring[] {
    if (this.#mortalCount === 0) return [];
    if (!this.#expiresEverywhere) {
      const highest = this.#highest();
      return highest ? [highest] : [];
    }
    return [...(this.#returns ? [this.#returns] : []), ...this.#rings.toReversed()];
  }

  /** Drops everything; answers how many there were. */
  clear(): number {
    const count = this.#length;
    this.#rings.forEach((_, index) => (this.#rings[index] = new Ring()));
    if (this.#returns) this.#returns = new Ring();
    this.#length = 0;
    this.#byteLength = 0;
    this.#mortalCount = 0;
    return count;
  }

  /** In the order in which they would be delivered. */
  *[Symbol.iterator](): Generator<QueuedMessage> {
    yield* this.#returns ?? [];
    for (let index = this.#rings.length - 1; index >= 0; index--) yield* this.#rings[index] ?? [];
  }

  #count(queued: QueuedMessage, sign: 1 | -1): void {
    this.#length += sign;
    if (queued.expiresAt !== undefined) this.#mortalCount += sign;
    const { body, encodedProperties } = queued.message;
    this.#byteLength += sign * (body.length + (this.#countsProperties ? encodedProperties.length : 0));
  }

  #ringOf(message: QueuedMessage): Ring | undefined {
    return this.#rings[Math.min(message.priority, this.#rings.length - 1)];
  }

  #highest(): Ring | undefined {
    if (this.#length === 0) return undefined;
    if (this.#returns && this.#returns.length > 0) return this.#returns;
    for (let index = this.#rings.length - 1; index >= 0; index--) {
      const ring = this.#rings[index];
      if (ring && ring.length > 0) return ring;
    }
    return undefined;
  }
}
