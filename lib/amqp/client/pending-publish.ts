/** One `publish` of a user on its way to its one outcome. */
import type { OutgoingMessage, UnconfirmedPublish } from '../channel/index.js';
import { NotSentError, TimeoutError, UnknownOutcomeError, type PublishError } from '../errors.js';
import { copiedBodyLimit, copyTable, type BasicProperties } from '../protocol/index.js';
import { onAbort } from './abort-listeners.js';
import { check } from './arguments.js';

/** Header of a message that was sent before, whose outcome nobody knows: it may be in the broker twice. */
export const replayedHeader = 'x-leveret-replayed';

export class PendingPublish implements OutgoingMessage, UnconfirmedPublish {
  /** True once its bytes were handed to a connection. */
  isSent = false;
  /** Told when it has its outcome while it still waits. */
  onGivenUp: (() => void) | undefined;
  /** Its place in the order of all that was asked for, where that matters. */
  order: number | undefined;
  /** Asked when its outcome is lost from sight: true takes it back, to be sent again. */
  onUnknown: ((publish: PendingPublish, error: UnknownOutcomeError) => boolean) | undefined;
  /** How often it was taken back. */
  replays = 0;
  /** Why its outcome is unknown, from the first loss on. */
  #lostBy: unknown;
  #isSettled = false;
  #timer: NodeJS.Timeout | undefined;
  #offlineTimer: NodeJS.Timeout | undefined;
  #forgetSignal: (() => void) | undefined;

  constructor(
    readonly exchange: string,
    readonly routingKey: string,
    public body: Uint8Array,
    public properties: Readonly<BasicProperties>,
    readonly isMandatory: boolean,
    /** False for fire and forget: its caller has no promise. */
    readonly isConfirmed: boolean,
    readonly onSettled: (error: PublishError | Error | undefined) => void,
  ) {}

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /**
   * It has to wait: what is wrong with it is found now (ArgumentError), and what its caller changes afterwards changes
   * nothing, but for a large body.
   */
  keep(): void {
    check(this.exchange, 'name', 'exchange');
    check(this.routingKey, 'name', 'routingKey');
    const { headers, timestamp } = this.properties;
    if (headers) this.properties = { ...this.properties, headers: copyTable(headers, 'headers') };
    if (timestamp) this.properties = { ...this.properties, timestamp: new Date(timestamp) };
    if (this.body.length <= copiedBodyLimit) this.body = Buffer.from(this.body);
  }

  /** It waited, and is about to be sent: a server-named queue that replies are wanted at may have another name by now. */
  followReplyQueue(currentName: (queue: string) => string): void {
    const { replyTo } = this.properties;
    if (replyTo === undefined) return;
    const present = currentName(replyTo);
    if (present !== replyTo) this.properties = { ...this.properties, replyTo: present };
  }

  /** The user's own limits, which run from the call on. */
  limit(timeout: number | undefined, signal: AbortSignal | undefined): void {
    if (timeout !== undefined) {
      this.#timer = setTimeout(() => {
        this.#giveUp(new TimeoutError('publish', timeout));
      }, timeout);
    }
    if (!signal) return;
    const giveUp = (): void => {
      this.#giveUp(signal.reason);
    };
    if (signal.aborted) giveUp();
    else this.#forgetSignal = onAbort(signal, giveUp);
  }

  /** Runs while it waits for a connection that can take it. */
  limitOffline(timeout: number): void {
    this.#offlineTimer ??= setTimeout(() => {
      this.settle(this.notSent(`no connection could take it within ${String(timeout)} ms`));
    }, timeout);
  }

  endOffline(): void {
    if (!this.#offlineTimer) return;
    clearTimeout(this.#offlineTimer);
    this.#offlineTimer = undefined;
  }

  /** It was sent, and nobody knows what became of it: it is to be sent again, marked. */
  takeBack(cause: unknown): void {
    this.replays += 1;
    this.isSent = false;
    this.#lostBy = cause;
    const { headers } = this.properties;
    this.properties = { ...this.properties, headers: { ...headers, [replayedHeader]: true } };
  }

  /** The outcome of one that is given up while it waits: it is not in the broker, unless it was sent before. */
  notSent(reason: string, cause?: unknown): PublishError {
    if (this.replays > 0) return new UnknownOutcomeError(this.exchange, this.routingKey, this.#lostBy);
    return new NotSentError(reason, this.exchange, this.routingKey, cause);
  }

  settle(error: PublishError | Error | undefined): void {
    if (this.#isSettled) return;
    const isUnknown = this.isSent && error instanceof UnknownOutcomeError;
    if (isUnknown && this.onUnknown?.(this, error) === true) return;
    this.#isSettled = true;
    this.onGivenUp?.();
    if (this.#timer) clearTimeout(this.#timer);
    this.endOffline();
    this.#forgetSignal?.();
    this.onSettled(error);
  }

  #giveUp(cause: unknown): void {
    this.onUnknown = undefined;
    this.settle(
      this.isSent
        ? new UnknownOutcomeError(this.exchange, this.routingKey, cause)
        : this.notSent('given up while it waited to be sent', cause),
    );
  }
}
