/**
 * What waits on a channel, in the order in which it was asked for: publishes, while the connection is away or blocked or
 * its buffers are full, and the calls that were made behind them. Publishes are bounded.
 */
import type { ChannelLife } from '../channel/index.js';
import type { AmqpError, PublishError } from '../errors.js';
import { PendingPublish } from './pending-publish.js';

export interface WaitingLineLimits {
  /** Messages that may wait while the connection is away or blocked. */
  readonly messages: number;
  /** Bytes of bodies that may wait while the connection is away or blocked. */
  readonly bytes: number;
  /** Milliseconds a message may wait then; 0 fails at once. */
  readonly timeout: number;
  /** Messages that may wait while the connection is up but busy. */
  readonly busyMessages: number;
  /** Bytes of bodies that may wait while the connection is up but busy. */
  readonly busyBytes: number;
}

/** A synchronous method that waits for its turn. */
export class WaitingCall {
  isSettled = false;

  constructor(
    /** Its place: a call that is made again takes the one it had. */
    readonly order: number,
    readonly run: (life: ChannelLife) => void,
    readonly fail: (error: AmqpError) => void,
  ) {}
}

interface Place {
  readonly order: number;
  readonly item: PendingPublish | WaitingCall;
}

/** So many that wait no more may stand in the line before it is swept. */
const sweepLimit = 1_000;

export class WaitingLine {
  readonly #limits: WaitingLineLimits;
  #places: Place[] = [];
  /** Where the line begins in `#places`. */
  #start = 0;
  #orders = 0;
  #publishes = 0;
  #bytes = 0;
  #passWaiters: { readonly through: number; readonly callback: () => void }[] = [];

  constructor(limits: WaitingLineLimits) {
    this.#limits = limits;
  }

  /** Publishes that wait. */
  get publishes(): number {
    return this.#publishes;
  }

  get isEmpty(): boolean {
    return this.#head() === undefined;
  }

  /** The place of whatever is asked for next. */
  takeOrder(): number {
    return (this.#orders += 1);
  }

  /** Calls back, once, when everything that waits now has been sent or given up: at once where nothing waits. */
  onPassed(callback: () => void): void {
    if (this.isEmpty) callback();
    else this.#passWaiters.push({ through: this.#orders, callback });
  }

  /** Lets a publish wait; settles it with NotSentError where there is no room for it. */
  add(publish: PendingPublish, isOffline: boolean): void {
    const problem = this.#problem(publish, isOffline);
    if (problem !== undefined) {
      publish.settle(publish.notSent(problem));
      return;
    }
    publish.order = this.takeOrder();
    this.#places.push({ order: publish.order, item: publish });
    this.#remember(publish);
    if (isOffline) publish.limitOffline(this.#limits.timeout);
  }

  /** True where so many publishes of so many bytes may wait, besides those that do, while the connection is away. */
  hasRoomFor(publishes: number, bytes: number): boolean {
    const { timeout, messages } = this.#limits;
    return timeout > 0 && this.#publishes + publishes <= messages && this.#bytes + bytes <= this.#limits.bytes;
  }

  /** Lets publishes wait that were sent before, each in the place that it had. */
  takeBack(publishes: readonly PendingPublish[]): void {
    if (publishes.length === 0) return;
    const places = publishes.map((publish) => ({ order: publish.order ?? 0, item: publish }));
    this.#places = [...places, ...this.#places.slice(this.#start)].sort((left, right) => left.order - right.order);
    this.#start = 0;
    for (const publish of publishes) this.#remember(publish);
  }

  #remember(publish: PendingPublish): void {
    this.#publishes += 1;
    this.#bytes += publish.body.length;
    publish.onGivenUp = () => {
      this.#forget(publish);
      this.#sweep();
      this.#tellPassed();
    };
  }

  #problem(publish: PendingPublish, isOffline: boolean): string | undefined {
    const { timeout } = this.#limits;
    if (isOffline && timeout === 0) return 'there is no connection, and publishBuffer.timeout is 0';
    const messages = isOffline ? this.#limits.messages : this.#limits.busyMessages;
    const bytes = isOffline ? this.#limits.bytes : this.#limits.busyBytes;
    const forWhat = isOffline ? 'the connection' : 'the broker to take more';
    if (this.#publishes >= messages) return `${String(messages)} messages wait for ${forWhat} already`;
    if (this.#bytes + publish.body.length > bytes) {
      return `more than ${String(bytes)} bytes would wait for ${forWhat}`;
    }
    return undefined;
  }

  /** Lets a call wait, in its place. */
  addCall(call: WaitingCall): void {
    let index = this.#places.length;
    while (index > this.#start && (this.#places[index - 1]?.order ?? 0) > call.order) index -= 1;
    this.#places.splice(index, 0, { order: call.order, item: call });
  }

  /** The connection went or is blocked: whatever waits has this long now. */
  goOffline(): void {
    for (const { item } of this.#places.slice(this.#start)) {
      if (!(item instanceof PendingPublish) || item.isSettled) continue;
      if (this.#limits.timeout === 0) item.settle(item.notSent('the connection was lost'));
      else item.limitOffline(this.#limits.timeout);
    }
  }

  /** Serves what waits, in order: calls at once, publishes for as long as `canSend`. */
  drain(life: ChannelLife, canSend: () => boolean, send: (publish: PendingPublish) => void): void {
    for (;;) {
      const item = this.#head();
      if (!item) break;
      if (item instanceof WaitingCall) {
        if (!life.isOpen || life.committing.isClosed) break;
        this.#start += 1;
        item.isSettled = true;
        item.run(life);
      } else {
        if (!canSend()) break;
        this.#start += 1;
        this.#forget(item);
        item.endOffline();
        send(item);
      }
    }
    this.#sweep();
    this.#tellPassed();
  }

  /** The channel is over: everything that waits fails. */
  fail(cause: AmqpError, makeError: (publish: PendingPublish) => PublishError): void {
    const failed = this.#places.slice(this.#start);
    this.#places = [];
    this.#start = 0;
    for (const { item } of failed) {
      if (item.isSettled) continue;
      if (item instanceof PendingPublish) {
        this.#forget(item);
        item.settle(makeError(item));
      } else {
        item.isSettled = true;
        item.fail(cause);
      }
    }
    this.#tellPassed();
  }

  /** The first that still waits. */
  #head(): PendingPublish | WaitingCall | undefined {
    for (;;) {
      const item = this.#places[this.#start]?.item;
      if (!item?.isSettled) return item;
      this.#start += 1;
    }
  }

  #forget(publish: PendingPublish): void {
    publish.onGivenUp = undefined;
    this.#publishes -= 1;
    this.#bytes -= publish.body.length;
  }

  #sweep(): void {
    if (this.#start === this.#places.length) {
      this.#places = [];
      this.#start = 0;
    } else if (this.#places.length > this.#publishes * 2 + sweepLimit) {
      this.#places = this.#places.slice(this.#start).filter(({ item }) => !item.isSettled);
      this.#start = 0;
    }
  }

  #tellPassed(): void {
    if (this.#passWaiters.length === 0) return;
    this.#head();
    const firstOrder = this.#places[this.#start]?.order ?? Infinity;
    while (this.#passWaiters[0] && this.#passWaiters[0].through < firstOrder) this.#passWaiters.shift()?.callback();
  }
}
