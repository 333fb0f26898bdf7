/**
 * The flow of a channel's publishes: sent at once where there is room, else in order when there is.
 *
 * There is no room while the channel is away, while the broker blocks the connection, and while the transport's buffer
 * or the confirm window is full. Must not know how a channel comes back.
 */
import type { ChannelLife } from '../channel/index.js';
import type { ResolvedParameters } from '../connection/index.js';
import { asError, type AmqpError, type UnknownOutcomeError } from '../errors.js';
import { isUnrelated } from './blame.js';
import type { PendingPublish } from './pending-publish.js';
import { WaitingLine, type WaitingCall } from './waiting-line.js';

/** So many times `publishBuffer.bytes` may wait while the connection is up, but the broker takes no more for now. */
const busyFactor = 16;

/** A message that was under way at so many losses may well be their cause, and is not sent again. */
const replayLimit = 3;

export class PublishFlow {
  readonly #line: WaitingLine;
  readonly #maxUnconfirmed: number;
  readonly #currentName: (queue: string) => string;
  #life: ChannelLife | undefined;
  #drainWaiters: { resolve: () => void; reject: (error: AmqpError) => void }[] = [];
  #isRoomAwaited = false;
  readonly #isReplaying: boolean;
  /** Sent, and lost from sight: to be sent again. */
  #takenBack: PendingPublish[] = [];
  #takenBackBytes = 0;
  /** Who waits for outcomes, some of which were taken back. */
  #settledWaiters: (() => void)[] = [];

  /**
   * `isReplaying`: publishes whose outcome a loss made unknown are sent again. `currentName`: the present name of a queue
   * that had another in an earlier life.
   */
  constructor(
    { publishBuffer, maxUnconfirmed }: ResolvedParameters,
    isReplaying: boolean,
    currentName: (queue: string) => string,
  ) {
    this.#isReplaying = isReplaying;
    this.#currentName = currentName;
    this.#maxUnconfirmed = maxUnconfirmed;
    this.#line = new WaitingLine({
      ...publishBuffer,
      busyMessages: maxUnconfirmed,
      busyBytes: publishBuffer.bytes * busyFactor,
    });
  }

  /** Publishes that were sent and not confirmed, or wait to be sent. */
  get outstanding(): number {
    return (this.#life?.confirms?.size ?? 0) + this.#line.publishes;
  }

  /** True while anything waits for its turn. */
  get isWaiting(): boolean {
    return !this.#line.isEmpty;
  }

  /** The place of a call in the order of all that is asked for. */
  takeOrder(): number {
    return this.#line.takeOrder();
  }

  /** Lets a call wait for its turn: behind what was asked for before it, and for the channel to be open. */
  addCall(call: WaitingCall): void {
    this.#line.addCall(call);
    this.#awaitRoom();
  }

  get hasRoom(): boolean {
    const life = this.#life;
    // A life that is ending tells of its publishes before anyone else hears of its end.
    if (!life?.isOpen || life.committing.isClosed || !life.connection.hasRoom) return false;
    return !life.confirms || life.confirms.size < this.#maxUnconfirmed;
  }

  /** The channel is open: what waits is sent. */
  begin(life: ChannelLife): void {
    this.#life = life;
    this.#drain();
  }

  /** The channel is away: what waits has a limit from now on. */
  pause(): void {
    this.#life = undefined;
    this.#putBack();
    this.#line.goOffline();
  }

  /** The broker blocked the connection: what waits has a limit from now on. */
  noteBlocked(): void {
    this.#line.goOffline();
  }

  /** No life will follow. */
  end(cause: AmqpError): void {
    this.#life = undefined;
    for (const { reject } of this.#drainWaiters.splice(0)) reject(cause);
    this.#putBack();
    this.#line.fail(cause, (publish) => publish.notSent(cause.message, cause));
  }

  publish(publish: PendingPublish): void {
    const life = this.#life;
    const isIdle = life !== undefined && this.isIdle;
    if (isIdle && !this.#isReplaying) {
      send(life, publish);
      return;
    }
    try {
      publish.keep();
    } catch (error) {
      publish.settle(asError(error));
      return;
    }
    if (this.#isReplaying) publish.onUnknown = this.#onUnknown;
    if (isIdle) {
      publish.order = this.#line.takeOrder();
      send(life, publish);
      return;
    }
    this.#line.add(publish, !life?.isOpen || life.connection.blockedReason !== undefined);
    this.#awaitRoom();
  }

  /** Takes a publish back whose life went, unless it may be to blame, or too many wait already. */
  readonly #onUnknown = (publish: PendingPublish, { cause }: UnknownOutcomeError): boolean => {
    const bytes = this.#takenBackBytes + publish.body.length;
    const isWanted = isUnrelated(cause, 'basic.publish') && publish.replays < replayLimit;
    if (!isWanted || !this.#line.hasRoomFor(this.#takenBack.length + 1, bytes)) return false;
    publish.takeBack(cause);
    this.#takenBack.push(publish);
    this.#takenBackBytes = bytes;
    return true;
  };

  /** The life is over, and so is the telling of its publishes: what was taken back waits, in its old order. */
  #putBack(): void {
    this.#line.takeBack(this.#takenBack);
    this.#takenBack = [];
    this.#takenBackBytes = 0;
    for (const waiter of this.#settledWaiters.splice(0)) this.onSettled(waiter);
  }

  /** Resolves when nothing waits to be sent and there is room for more; rejects with what ended the channel. */
  drained(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise<void>((resolve, reject) => {
      this.#drainWaiters.push({ resolve, reject });
      this.#awaitRoom();
    });
  }

  /** Resolves when every publish has its outcome, or when the limit (milliseconds) is over. Never rejects. */
  flushed(limit: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limit);
      this.onSettled(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Calls back, once, when everything published until now has its outcome; without confirms, when it was sent. */
  onSettled(callback: () => void): void {
    this.#line.onPassed(() => {
      const confirms = this.#life?.confirms;
      if (!confirms) callback();
      else {
        confirms.onSettled(() => {
          if (this.#takenBack.length > 0) this.#settledWaiters.push(callback);
          else callback();
        });
      }
    });
  }

  /** Whether a publish would be sent at once. */
  get isIdle(): boolean {
    return this.#line.isEmpty && this.hasRoom;
  }

  #drain(): void {
    const life = this.#life;
    if (!life?.isOpen) return;
    this.#line.drain(
      life,
      () => this.hasRoom,
      (publish) => {
        publish.followReplyQueue(this.#currentName);
        send(life, publish);
      },
    );
    if (this.isIdle) for (const { resolve } of this.#drainWaiters.splice(0)) resolve();
    else this.#awaitRoom();
  }

  #awaitRoom(): void {
    const life = this.#life;
    if (!life?.isOpen || this.#isRoomAwaited) return;
    this.#isRoomAwaited = true;
    const goOn = (): void => {
      this.#isRoomAwaited = false;
      this.#drain();
    };
    if (life.committing.isClosed) life.committing.onOpen(goOn);
    else if (!life.connection.hasRoom) life.connection.onRoom(goOn);
    else if (life.confirms) life.confirms.onRoom(goOn);
    else setImmediate(goOn);
  }
}

function send(life: ChannelLife, publish: PendingPublish): void {
  try {
    life.publish(publish, publish);
  } catch (error) {
    publish.settle(asError(error));
    return;
  }
  publish.isSent = true;
  // Without confirms nobody will ever know more.
  if (!life.confirms) publish.settle(undefined);
}
