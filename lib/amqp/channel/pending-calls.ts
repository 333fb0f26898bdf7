/**
 * The synchronous methods of one channel life that wait for their replies, in the order in which they were sent.
 *
 * RabbitMQ answers in that order, but for basic.consume and basic.cancel: their answers come from the queue's process,
 * and what was sent behind them may be answered first. These two are found by their consumer tag. Must not know frames, or
 * what the replies mean.
 */
import { TimeoutError, type AmqpError } from '../errors.js';
import { repliesTo, type MethodName } from '../protocol/index.js';

interface PendingCall<Reply> extends CallTerms<Reply> {
  readonly replies: readonly MethodName[];
  /** True when the caller gave up; the reply is still awaited, and then undone. */
  isAbandoned: boolean;
  readonly timer: NodeJS.Timeout | undefined;
}

export interface CallTerms<Reply> {
  /** Milliseconds; 0 for no limit. */
  readonly limit: number;
  /** basic.get only: the delivery needs no settlement. */
  readonly isNoAck: boolean;
  /** basic.consume and basic.cancel only. */
  readonly consumerTag: string | undefined;
  readonly resolve: (reply: Reply) => void;
  /** With TimeoutError, or with what `fail` was given. */
  readonly reject: (error: AmqpError) => void;
}

export class PendingCalls<Reply> {
  readonly #calls: PendingCall<Reply>[] = [];

  /** A method was sent. */
  add(name: MethodName, terms: CallTerms<Reply>): void {
    const { limit, reject } = terms;
    const timer =
      limit > 0
        ? setTimeout(() => {
            call.isAbandoned = true;
            reject(new TimeoutError(name, limit));
          }, limit)
        : undefined;
    const call: PendingCall<Reply> = { ...terms, replies: repliesTo(name), isAbandoned: false, timer };
    this.#calls.push(call);
  }

  /** True when somebody waits for this now. `consumerTag`: of consume-ok and cancel-ok. */
  expects(reply: MethodName, consumerTag?: string): boolean {
    return this.#calls[this.#indexFor(reply, consumerTag)]?.replies.includes(reply) === true;
  }

  /** True when the one that basic.get-ok answers now needs no settlement. */
  get isNextNoAck(): boolean {
    return this.#calls[this.#indexFor('basic.get-ok')]?.isNoAck === true;
  }

  /** Gives the one that waits for it its reply. False: its caller gave up, and what the reply brought is to be undone. */
  answer(reply: Reply, name: MethodName, consumerTag?: string): boolean {
    const call = this.#take(name, consumerTag);
    if (call?.isAbandoned !== false) return false;
    call.resolve(reply);
    return true;
  }

  /** The reply came, and cannot be given to the one that waits for it. */
  refuse(name: MethodName, error: AmqpError): void {
    const call = this.#take(name);
    if (call?.isAbandoned === false) call.reject(error);
  }

  /** No reply will come any more. */
  fail(error: AmqpError): void {
    for (const call of this.#calls.splice(0)) {
      clearTimeout(call.timer);
      if (!call.isAbandoned) call.reject(error);
    }
  }

  #take(reply: MethodName, consumerTag?: string): PendingCall<Reply> | undefined {
    const [call] = this.#calls.splice(this.#indexFor(reply, consumerTag), 1);
    clearTimeout(call?.timer);
    return call;
  }

  /** Where the call is that such a reply answers; past the end where there is none. */
  #indexFor(reply: MethodName, consumerTag?: string): number {
    const index = this.#calls.findIndex((call) => {
      if (consumerTag === undefined) return call.consumerTag === undefined;
      return call.consumerTag === consumerTag && call.replies.includes(reply);
    });
    return index < 0 ? this.#calls.length : index;
  }
}
