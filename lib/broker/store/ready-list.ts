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

export class ReadyList {
  /** One ring for each priority, the highest last; a plain queue has one. */
  readonly #rings: Ring[];
  /** What was put back, where that goes before all else; undefined: it goes back where it was. */
  #returns: Ring | undefined;
  readonly #countsProperties: boolean;
  #length = 0;
  #byteLength = 0;

  /**
   * `returnsGoFirst`: as in quorum queues, in the order in which they come back. `countsProperties`: bytes are those
   * of the properties too.
   */
  constructor(maximumPriority: number, returnsGoFirst = false, countsProperties = false) {
    this.#countsProperties = countsProperties;
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

  /** Drops everything; answers how many there were. */
  clear(): number {
    const count = this.#length;
    this.#rings.forEach((_, index) => (this.#rings[index] = new Ring()));
    if (this.#returns) this.#returns = new Ring();
    this.#length = 0;
    this.#byteLength = 0;
    return count;
  }

  /** In the order in which they would be delivered. */
  *[Symbol.iterator](): Generator<QueuedMessage> {
    yield* this.#returns ?? [];
    for (let index = this.#rings.length - 1; index >= 0; index--) yield* this.#rings[index] ?? [];
  }

  #count(queued: QueuedMessage, sign: 1 | -1): void {
    this.#length += sign;
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
