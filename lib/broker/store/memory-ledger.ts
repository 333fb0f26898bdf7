/**
 * What queues and open transactions hold, in bytes, and the alarm when that is too much.
 *
 * Pure. RabbitMQ documents its own under "Memory Alarms": publishers are blocked until memory is free again.
 */

import type { Message } from './message.js';

/** What a message costs beside its body and its properties, in bytes; about what it takes in Node. */
const messageOverhead = 512;

/** What a message costs wherever it is held. */
export function sizeOf({ body, encodedProperties }: Pick<Message, 'body' | 'encodedProperties'>): number {
  return body.length + encodedProperties.length + messageOverhead;
}

/** The alarm is over when so much of the limit is in use: so that it does not come and go with each message. */
const lowMark = 0.9;

export class MemoryLedger {
  readonly #limit: number;
  readonly #onAlarm: () => void;
  #bytes = 0;
  #isOver = false;

  /** `limit` in bytes; Infinity: none. `onAlarm` is called when the alarm begins and when it ends. */
  constructor(limit: number, onAlarm: () => void = () => {}) {
    this.#limit = limit;
    this.#onAlarm = onAlarm;
  }

  /**
   * Bytes that are held: bodies, properties, and the overhead of each message. A message in two queues counts twice; one
   * that waits for the commit of its transaction, once.
   */
  get bytes(): number {
    return this.#bytes;
  }

  /** Why publishers are blocked; undefined: they are not. */
  get alarm(): string | undefined {
    return this.#isOver ? 'low on memory' : undefined;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (!this.#isOver && this.#bytes > this.#limit) this.#turn(true);
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#isOver && this.#bytes <= this.#limit * lowMark) this.#turn(false);
  }

  #turn(isOver: boolean): void {
    this.#isOver = isOver;
    this.#onAlarm();
  }
}
