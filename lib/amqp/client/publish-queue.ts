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

  constructor(limits: PublishQueueLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Lets a publish wait; settles it with NotSentError where there is no room for it. */
  add(publish: PendingPublish, isOffline: boolean): void {
    const problem = this.#problem(publish, isOffline);
    if (problem !== undefined) {
      publish.settle(publish.notSent(problem));
      return;
    }
    this.#waiting.push(publish);
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
    if (sent > 0) this.#waiting = this.#waiting.slice(sent);
  }

  /** The channel is over: everything that waits fails. */
  fail(makeError: (publish: PendingPublish) => PublishError): void {
    for (const publish of this.#waiting.splice(0)) publish.settle(makeError(publish));
    this.#bytes = 0;
  }

  #forgetSettled(): void {
    this.#waiting = this.#waiting.filter(({ isSettled }) => !isSettled);
    this.#bytes = this.#waiting.reduce((sum, { body }) => sum + body.length, 0);
  }
}
