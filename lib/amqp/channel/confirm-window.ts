/**
 * The publishes of one channel life that wait for their confirm, by sequence number.
 *
 * RabbitMQ numbers the publishes of a channel from 1 after confirm.select and answers with basic.ack or basic.nack,
 * out of order and with `multiple` as it likes; a basic.return comes before the ack of its message. Must not know
 * promises or users: an entry is told its outcome once.
 */
import { NackError, UnknownOutcomeError, type PublishError, type UnroutableError } from '../errors.js';

export interface UnconfirmedPublish {
  readonly exchange: string;
  readonly routingKey: string;
  /** The outcome: confirmed when there is no error. Called once, must not throw. */
  settle(error: PublishError | undefined): void;
}

interface Entry {
  readonly publish: UnconfirmedPublish | undefined;
  returned: UnroutableError | undefined;
}

export class ConfirmWindow {
  /** A ring by sequence number; its length is a power of two. */
  #ring: (Entry | undefined)[] = new Array<Entry | undefined>(256).fill(undefined);
  /** No sequence number below this one is unsettled. */
  #first = 1;
  #next = 1;
  #size = 0;

  /** Publishes that wait for their confirm. */
  get size(): number {
    return this.#size;
  }

  /** The sequence number that the next publish will have. */
  get nextSequenceNumber(): number {
    return this.#next;
  }

  /** Calls back, once, when an answer made room or the channel went. */
  onRoom(callback: () => void): void {
    this.#roomWaiters.push(callback);
  }

  /** Calls back, once, when nothing is unconfirmed any more. */
  onEmpty(callback: () => void): void {
    this.#emptyWaiters.push(callback);
  }

  #roomWaiters: (() => void)[] = [];
  #emptyWaiters: (() => void)[] = [];

  #tellWaiters(): void {
    if (this.#roomWaiters.length > 0) for (const waiter of this.#roomWaiters.splice(0)) waiter();
    if (this.#size === 0) for (const waiter of this.#emptyWaiters.splice(0)) waiter();
  }

  /** Notes a publish that was sent; undefined for one whose outcome nobody asks for. */
  add(publish: UnconfirmedPublish | undefined): void {
    if (this.#next - this.#first >= this.#ring.length) this.#grow();
    this.#ring[this.#next & (this.#ring.length - 1)] = { publish, returned: undefined };
    this.#next += 1;
    this.#size += 1;
  }

  /** The broker's answer. Tag 0 with `multiple` is all; a tag that is unknown or settled is left alone. */
  settle(tag: number, isMultiple: boolean, isAck: boolean): void {
    if (!isMultiple) {
      this.#settleOne(tag, isAck);
    } else {
      const last = tag === 0 ? this.#next - 1 : Math.min(tag, this.#next - 1);
      for (let number = this.#first; number <= last; number++) this.#settleOne(number, isAck);
    }
    while (this.#first < this.#next && this.#ring[this.#first & (this.#ring.length - 1)] === undefined) {
      this.#first += 1;
    }
    this.#tellWaiters();
  }

  /** The message came back; its outcome waits for the ack that follows. False: no such publish. */
  noteReturn(sequenceNumber: number, error: UnroutableError): boolean {
    const entry = this.#entry(sequenceNumber);
    if (!entry) return false;
    entry.returned = error;
    return entry.publish !== undefined;
  }

  /** The channel is gone: nobody will ever know. */
  abandon(cause: unknown): void {
    for (let number = this.#first; number < this.#next; number++) {
      const entry = this.#take(number);
      if (!entry?.publish) continue;
      const { exchange, routingKey } = entry.publish;
      // A returned message is known not to be in any queue, whether or not its ack came.
      entry.publish.settle(entry.returned ?? new UnknownOutcomeError(exchange, routingKey, cause));
    }
    this.#first = this.#next;
    this.#tellWaiters();
  }

  #settleOne(sequenceNumber: number, isAck: boolean): void {
    const entry = this.#take(sequenceNumber);
    if (!entry?.publish) return;
    const { exchange, routingKey } = entry.publish;
    entry.publish.settle(isAck ? entry.returned : new NackError(exchange, routingKey));
  }

  #entry(sequenceNumber: number): Entry | undefined {
    if (sequenceNumber < this.#first || sequenceNumber >= this.#next) return undefined;
    return this.#ring[sequenceNumber & (this.#ring.length - 1)];
  }

  #take(sequenceNumber: number): Entry | undefined {
    const entry = this.#entry(sequenceNumber);
    if (entry) {
      this.#ring[sequenceNumber & (this.#ring.length - 1)] = undefined;
      this.#size -= 1;
    }
    return entry;
  }

  #grow(): void {
    const old = this.#ring;
    const ring = new Array<Entry | undefined>(old.length * 2).fill(undefined);
    for (let number = this.#first; number < this.#next; number++) {
      ring[number & (ring.length - 1)] = old[number & (old.length - 1)];
    }
    this.#ring = ring;
  }
}
