/**
 * The synchronous methods of one channel life that wait for their replies, in the order in which they were sent: a broker
 * answers in order. Must not know frames, or what the replies mean.
 */
import { TimeoutError, type AmqpError } from '../errors.js';
import { repliesTo, type MethodName } from '../protocol/index.js';

interface PendingCall<Reply> {
  readonly replies: readonly MethodName[];
  readonly isNoAck: boolean;
  /** True when the caller gave up; the reply is still awaited, and then undone. */
  isAbandoned: boolean;
  readonly timer: NodeJS.Timeout | undefined;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: AmqpError) => void;
}

export interface CallTerms<Reply> {
  /** Milliseconds; 0 for no limit. */
  readonly limit: number;
  /** basic.get only: the delivery needs no settlement. */
  readonly isNoAck: boolean;
  readonly resolve: (reply: Reply) => void;
  /** With TimeoutError, or with what `fail` was given. */
  readonly reject: (error: AmqpError) => void;
}

export class PendingCalls<Reply> {
  readonly #calls: PendingCall<Reply>[] = [];

  /** A method was sent. */
  add(name: MethodName, { limit, isNoAck, resolve, reject }: CallTerms<Reply>): void {
    const timer =
      limit > 0
        ? setTimeout(() => {
            call.isAbandoned = true;
            reject(new TimeoutError(name, limit));
          }, limit)
        : undefined;
    const call: PendingCall<Reply> = { replies: repliesTo(name), isNoAck, isAbandoned: false, timer, resolve, reject };
    this.#calls.push(call);
  }

  /** True when the first that waits waits for this. */
  expects(reply: MethodName): boolean {
    return this.#calls[0]?.replies.includes(reply) === true;
  }

  /** True when the first that waits is a basic.get whose delivery needs no settlement. */
  get isNextNoAck(): boolean {
    return this.#calls[0]?.isNoAck === true;
  }

  /** Gives the first that waits its reply. False: its caller gave up, and what the reply brought is to be undone. */
  answer(reply: Reply): boolean {
    const call = this.#calls.shift();
    if (!call) return false;
    clearTimeout(call.timer);
    if (!call.isAbandoned) call.resolve(reply);
    return !call.isAbandoned;
  }

  /** The reply to the first that waits came, and cannot be given to it. */
  refuse(error: AmqpError): void {
    const call = this.#calls.shift();
    if (!call) return;
    clearTimeout(call.timer);
    if (!call.isAbandoned) call.reject(error);
  }

  /** No reply will come any more. */
  fail(error: AmqpError): void {
    for (const call of this.#calls.splice(0)) {
      clearTimeout(call.timer);
      if (!call.isAbandoned) call.reject(error);
    }
  }
}
