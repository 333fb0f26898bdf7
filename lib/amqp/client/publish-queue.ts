/**
 * The publishes of one channel that wait to be sent: while the connection is away or blocked, while the transport's
 * buffer or the confirm window is full. In order, and bounded.
 */
import type { PublishError } from '../errors.js';
import type { PendingPublish } from './pending-publish.js';

export interface PublishQueueLimits {
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

export class PublishQueue {
  readonly #limits: PublishQueueLimits;
  #waiting: PendingPublish[] = [];
  #bytes = 0;
  /** How many publishes were ever let wait, and how many of them wait no more. */
  #added = 0;
  #left = 0;
  #passWaiters: { readonly through: number; readonly callback: () => void }[] = [];

  constructor(limits: PublishQueueLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Calls back, once, when everything that waits now has been sent or given up: at once where nothing waits. */
  onPassed(callback: () => void): void {
    if (this.#waiting.length === 0) callback();
    else this.#passWaiters.push({ through: this.#added, callback });
  }

  #noteLeft(count: number): void {
    this.#left += count;
    while (this.#passWaiters[0] && this.#passWaiters[0].through <= this.#left) this.#passWaiters.shift()?.callback();
  }

  /** Lets a publish wait; settles it with NotSentError where there is no room for it. */
  add(publish: PendingPublish, isOffline: boolean): void {
    const problem = this.#problem(publish, isOffline);
    if (problem !== undefined) {
      publish.settle(publish.notSent(problem));
      return;
    }
    this.#waiting.push(publish);
    this.#added += 1;
    this.#bytes += publish.body.length;
    if (isOffline) publish.limitOffline(this.#limits.timeout);
  }

  #problem(publish: PendingPublish, isOffline: boolean): string | undefined {
    const { timeout } = this.#limits;
    if (isOffline && timeout === 0) return 'there is no connection, and publishBuffer.timeout is 0';
    const messages = isOffline ? this.#limits.messages : this.#limits.busyMessages;
    const bytes = isOffline ? this.#limits.bytes : this.#limits.busyBytes;
    if (this.#waiting.length < messages && this.#bytes + publish.body.length <= bytes) return undefined;
    this.#forgetSettled();
    const forWhat = isOffline ? 'the connection' : 'the broker to take more';
    if (this.#waiting.length >= messages) return `${String(messages)} messages wait for ${forWhat} already`;
    if (this.#bytes + publish.body.length > bytes) {
      return `more than ${String(bytes)} bytes would wait for ${forWhat}`;
    }
    return undefined;
  }

  /** The connection went or is blocked: whatever waits has this long now. */
  goOffline(): void {
    for (const publish of this.#waiting) {
      if (this.#limits.timeout === 0) publish.settle(publish.notSent('the connection was lost'));
      else publish.limitOffline(this.#limits.timeout);
    }
    this.#forgetSettled();
  }

  /** Sends what waits, in order, for as long as `canSend`. */
  drain(canSend: () => boolean, send: (publish: PendingPublish) => void): void {
    let sent = 0;
    while (sent < this.#waiting.length && canSend()) {
      const publish = this.#waiting[sent++];
      if (!publish) continue;
      this.#bytes -= publish.body.length;
      publish.endOffline();
      if (!publish.isSettled) send(publish);
    }
    if (sent === 0) return;
    this.#waiting = this.#waiting.slice(sent);
    this.#noteLeft(sent);
  }

  /** The channel is over: everything that waits fails. */
  fail(makeError: (publish: PendingPublish) => PublishError): void {
    const failed = this.#waiting.splice(0);
    for (const publish of failed) publish.settle(makeError(publish));
    this.#bytes = 0;
    this.#noteLeft(failed.length);
  }

  #forgetSettled(): void {
    const before = this.#waiting.length;
    this.#waiting = this.#waiting.filter(({ isSettled }) => !isSettled);
    this.#noteLeft(before - this.#waiting.length);
    this.#bytes = this.#waiting.reduce((sum, { body }) => sum + body.length, 0);
  }
}
