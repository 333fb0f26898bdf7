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
  /** True where somebody hears of a return by `settle`. */
  readonly isConfirmed: boolean;
  /** The outcome: confirmed when there is no error. Called once, must not throw. */
  settle(error: PublishError | undefined): void;
}

export class ConfirmWindow {
  /** A ring by sequence number; its length is a power of two. */
  #ring: (UnconfirmedPublish | undefined)[] = new Array<UnconfirmedPublish | undefined>(256).fill(undefined);
  /** The few that came back and wait for their ack. */
  readonly #returned = new Map<number, UnroutableError>();
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

  /** Calls back, once, when everything published until now has its outcome: at once where that is so already. */
  onSettled(callback: () => void): void {
    if (this.#size === 0) callback();
    else this.#settledWaiters.push({ through: this.#next - 1, callback });
  }

  #roomWaiters: (() => void)[] = [];
  #settledWaiters: { readonly through: number; readonly callback: () => void }[] = [];

  #tellWaiters(): void {
    if (this.#roomWaiters.length > 0) for (const waiter of this.#roomWaiters.splice(0)) waiter();
    while (this.#settledWaiters[0] && this.#settledWaiters[0].through < this.#first) {
      this.#settledWaiters.shift()?.callback();
    }
  }

  /** Notes a publish that was sent. */
  add(publish: UnconfirmedPublish): void {
    if (this.#next - this.#first >= this.#ring.length) this.#grow();
    this.#ring[this.#next & (this.#ring.length - 1)] = publish;
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

  /** The message came back; its outcome waits for the ack that follows. False: nobody hears of it then. */
  noteReturn(sequenceNumber: number, error: UnroutableError): boolean {
    const publish = this.#at(sequenceNumber);
    if (!publish) return false;
    this.#returned.set(sequenceNumber, error);
    return publish.isConfirmed;
  }

  /** The channel is gone: nobody will ever know. */
  abandon(cause: unknown): void {
    for (let number = this.#first; number < this.#next; number++) {
      const publish = this.#take(number);
      // A returned message is known not to be in any queue, whether or not its ack came.
      publish?.settle(this.#takeReturn(number) ?? new UnknownOutcomeError(publish.exchange, publish.routingKey, cause));
    }
    this.#first = this.#next;
    this.#tellWaiters();
  }

  #settleOne(sequenceNumber: number, isAck: boolean): void {
    const publish = this.#take(sequenceNumber);
    if (!publish) return;
    const returned = this.#takeReturn(sequenceNumber);
    publish.settle(isAck ? returned : new NackError(publish.exchange, publish.routingKey));
  }

  #at(sequenceNumber: number): UnconfirmedPublish | undefined {
    if (sequenceNumber < this.#first || sequenceNumber >= this.#next) return undefined;
    return this.#ring[sequenceNumber & (this.#ring.length - 1)];
  }

  #take(sequenceNumber: number): UnconfirmedPublish | undefined {
    const publish = this.#at(sequenceNumber);
    if (publish) {
      this.#ring[sequenceNumber & (this.#ring.length - 1)] = undefined;
      this.#size -= 1;
    }
    return publish;
  }

  #takeReturn(sequenceNumber: number): UnroutableError | undefined {
    if (this.#returned.size === 0) return undefined;
    const error = this.#returned.get(sequenceNumber);
    this.#returned.delete(sequenceNumber);
    return error;
  }

  #grow(): void {
    const old = this.#ring;
    const ring = new Array<UnconfirmedPublish | undefined>(old.length * 2).fill(undefined);
    for (let number = this.#first; number < this.#next; number++) {
      ring[number & (ring.length - 1)] = old[number & (old.length - 1)];
    }
    this.#ring = ring;
  }
}
