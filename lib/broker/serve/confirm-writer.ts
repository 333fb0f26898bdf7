/**
 * Publisher confirms of one channel: counts publishes, and joins acks of one turn into one frame.
 *
 * Must not know messages. `multiple` covers only what was settled: not while a fault holds the confirm of one back.
 */
import type { ClockTimer } from '../clock.js';
import { writeAck, writeMethod, type ByteWriter } from '../../amqp/protocol/index.js';

export class ConfirmWriter {
  #lastTag = 0;
  /** Acks that were not written yet: these tags, both included; 0 when there are none. */
  #firstUnwritten = 0;
  #lastUnwritten = 0;
  /** Tags whose confirms are late or lost, and what brings them. */
  readonly #held = new Map<number, ClockTimer | undefined>();

  constructor(
    readonly writer: ByteWriter,
    readonly channel: number,
  ) {}

  /** The tag of the next publish. */
  next(): number {
    return ++this.#lastTag;
  }

  /** This tag is not confirmed until `timer` brings it; undefined: never. */
  hold(tag: number, timer: ClockTimer | undefined): void {
    this.flush();
    this.#held.set(tag, timer);
  }

  /** What is held is never confirmed. */
  stop(): void {
    for (const timer of this.#held.values()) timer?.cancel();
  }

  acknowledge(tag: number): void {
    this.#held.delete(tag);
    if (this.#firstUnwritten === 0) this.#firstUnwritten = tag;
    else if (tag !== this.#lastUnwritten + 1) {
      this.flush();
      this.#firstUnwritten = tag;
    }
    this.#lastUnwritten = tag;
    if (this.#held.size > 0) this.flush();
  }

  refuse(tag: number): void {
    this.#held.delete(tag);
    this.flush();
    writeMethod(this.writer, this.channel, 'basic.nack', { deliveryTag: tag, requeue: true }, 0);
  }

  /** Writes the acks that wait. */
  flush(): void {
    if (this.#firstUnwritten === 0) return;
    writeAck(this.writer, this.channel, this.#lastUnwritten, this.#firstUnwritten !== this.#lastUnwritten);
    this.#firstUnwritten = 0;
  }
}
