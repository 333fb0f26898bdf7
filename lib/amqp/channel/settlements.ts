/**
 * The settling of one channel life's deliveries: by the delivery or by its bare tag, each exactly once.
 *
 * Users see tags that go on over the lives of their channel (the tag on the wire plus what earlier lives delivered), so
 * that a tag of an earlier life is known for what it is and never settles another message.
 *
 * Acknowledgements are held back to the end of the turn, when their bytes go out. Those up to the first delivery that is
 * still unsettled then go as one basic.ack with `multiple`: it covers nothing else.
 */
import { settleEvents, type ChannelIdentity } from '../diagnostics.js';
import { AlreadySettledError, WrongStateError } from '../errors.js';
import type { ConnectionLife } from '../connection/index.js';
import { writeAck } from '../protocol/index.js';
import type { CommitGate } from './commit-gate.js';
import type { SettlementKind, SettlementResult, Settler } from './delivery.js';
import { UnsettledDeliveries } from './unsettled-deliveries.js';

/** What is needed of the channel life. */
export interface SettledChannel {
  readonly connection: ConnectionLife;
  readonly number: number;
  readonly isOpen: boolean;
  /** Closed while nothing may be sent. */
  readonly committing: CommitGate;
  readonly identity: ChannelIdentity;
  /** Set when anything was settled. */
  hasWork: boolean;
  /** A settlement came too late: the broker delivers the message again. */
  onStaleSettlement(): void;
}

export class Settlements implements Settler {
  readonly #channel: SettledChannel;
  readonly #offset: number;
  /** Tags on the wire, settled and not told yet. */
  #heldAcks: number[] = [];
  #unsettled = new UnsettledDeliveries();
  /** What the broker took back (basic.recover): settling it says `stale`. */
  #takenBack = new UnsettledDeliveries();
  #isRecovering = false;
  /** The tags that the present transaction settled; undefined without transactions. */
  #journal: number[] | undefined;

  /** `offset`: what earlier lives of the channel delivered. */
  constructor(channel: SettledChannel, offset: number) {
    this.#channel = channel;
    this.#offset = offset;
  }

  /** Deliveries that wait for their settlement. */
  get size(): number {
    return this.#unsettled.size;
  }

  /** The highest tag that users have seen. */
  get lastTag(): number {
    return this.#unsettled.last + this.#offset;
  }

  /** Notes a delivery by its tag on the wire; answers the one that users see. */
  note(wireTag: number, needsSettlement: boolean): number {
    if (needsSettlement) this.#unsettled.note(wireTag);
    else this.#unsettled.noteSettled(wireTag);
    return wireTag + this.#offset;
  }

  isUnsettled(deliveryTag: number): boolean {
    const tag = deliveryTag - this.#offset;
    return this.#unsettled.has(tag) || this.#takenBack.has(tag);
  }

  isStale(deliveryTag: number): boolean {
    return !this.#channel.isOpen || this.#isRecovering || deliveryTag - this.#offset <= this.#takenBack.last;
  }

  settle(kind: SettlementKind, deliveryTag: number, isMultiple: boolean, isRequeued: boolean): SettlementResult {
    const tag = deliveryTag - this.#offset;
    if (tag <= 0) return this.#told(kind, deliveryTag, isMultiple, isRequeued, 'stale');
    const record = this.#unsettled.has(tag) ? this.#unsettled : this.#takenBack;
    if (!record.has(tag)) {
      if (tag > this.#unsettled.last) {
        throw new WrongStateError(`${kind}: this channel has not delivered ${String(deliveryTag)}`);
      }
      throw new AlreadySettledError(`${kind}: delivery ${String(deliveryTag)} was settled before, or came with noAck`);
    }
    const isStale = this.isStale(deliveryTag);
    if (!isStale) this.#send(kind, tag, isMultiple, isRequeued);
    const journal = isStale ? undefined : this.#journal;
    if (isMultiple) {
      record.settleThrough(tag, journal);
    } else {
      record.settle(tag);
      journal?.push(tag);
    }
    return this.#told(kind, deliveryTag, isMultiple, isRequeued, isStale ? 'stale' : 'sent');
  }

  /** Settles every unsettled delivery (`multiple` with tag 0). */
  settleAll(kind: 'ack' | 'nack', isRequeued: boolean): SettlementResult {
    const isStale = !this.#channel.isOpen || this.#isRecovering;
    if (!isStale) this.#send(kind, 0, true, isRequeued);
    this.#unsettled.settleThrough(this.#unsettled.last, isStale ? undefined : this.#journal);
    return this.#told(kind, 0, true, isRequeued, isStale ? 'stale' : 'sent');
  }

  /** tx.select or tx.commit is on its way: what is settled from here on belongs to the next transaction. */
  beginTransaction(): void {
    this.#journal = [];
  }

  /** tx.rollback is on its way: what the transaction settled is unsettled again, as it is on the broker. */
  rollBack(): void {
    const journal = this.#journal ?? [];
    this.#journal = [];
    for (const tag of journal) this.#unsettled.restore(tag);
  }

  /** basic.recover is on its way: what is unsettled goes back to its queues, and settling it would be 406. */
  beginTakeBack(): void {
    this.#isRecovering = true;
  }

  /** basic.recover-ok came: everything delivered until now went back, what follows is new. */
  endTakeBack(): void {
    this.#isRecovering = false;
    this.#takenBack = this.#unsettled;
    this.#unsettled = new UnsettledDeliveries(this.#takenBack.last);
  }

  #send(kind: SettlementKind, tag: number, isMultiple: boolean, isRequeued: boolean): void {
    if (this.#channel.committing.isClosed) {
      this.#channel.committing.onOpen(() => {
        if (this.#channel.isOpen) this.#send(kind, tag, isMultiple, isRequeued);
      });
      return;
    }
    const { connection, number } = this.#channel;
    this.#channel.hasWork = true;
    switch (kind) {
      case 'ack':
        if (!isMultiple && connection.parameters.joinAcks) {
          if (this.#heldAcks.length === 0) connection.holdBack(this.#writeHeldAcks);
          this.#heldAcks.push(tag);
          return;
        }
        // They are behind it in order, and it may cover them.
        this.#writeHeldAcks();
        writeAck(connection.writer, number, tag, isMultiple);
        connection.scheduleFlush();
        return;
      case 'nack':
        connection.send(number, 'basic.nack', { deliveryTag: tag, multiple: isMultiple, requeue: isRequeued });
        return;
      case 'reject':
        connection.send(number, 'basic.reject', { deliveryTag: tag, requeue: isRequeued });
    }
  }

  readonly #writeHeldAcks = (): void => {
    const { connection, number } = this.#channel;
    const held = this.#heldAcks;
    const firstUnsettled = this.#unsettled.first;
    let covered = 0;
    let last = 0;
    for (const tag of held) {
      if (tag >= firstUnsettled) {
        writeAck(connection.writer, number, tag, false);
      } else {
        covered += 1;
        last = Math.max(last, tag);
      }
    }
    if (covered > 0) writeAck(connection.writer, number, last, covered > 1);
    held.length = 0;
  };

  #told(
    kind: SettlementKind,
    deliveryTag: number,
    multiple: boolean,
    requeue: boolean,
    result: SettlementResult,
  ): SettlementResult {
    if (result === 'stale') this.#channel.onStaleSettlement();
    if (settleEvents.hasSubscribers) {
      settleEvents.publish({ channel: this.#channel.identity, kind, deliveryTag, multiple, requeue, result });
    }
    return result;
  }
}
