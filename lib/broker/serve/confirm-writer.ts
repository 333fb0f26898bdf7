/**
 * Publisher confirms of one channel: counts publishes, and joins acks of one turn into one frame.
 *
 * Must not know messages. Everything published is settled in order here, so `multiple` covers what it may.
 */
import { writeAck, writeMethod, type ByteWriter } from '../../amqp/protocol/index.js';

export class ConfirmWriter {
  #lastTag = 0;
  /** Acks that were not written yet: these tags, both included; 0 when there are none. */
  #firstUnwritten = 0;
  #lastUnwritten = 0;

  constructor(
    readonly writer: ByteWriter,
    readonly channel: number,
  ) {}

  /** The tag of the next publish. */
  next(): number {
    return ++this.#lastTag;
  }

  acknowledge(tag: number): void {
    if (this.#firstUnwritten === 0) this.#firstUnwritten = tag;
    this.#lastUnwritten = tag;
  }

  refuse(tag: number): void {
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
