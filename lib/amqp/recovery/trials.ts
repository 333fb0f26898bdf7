/**
 * Finds the one declaration or consumer for which the broker closes the whole connection, so that it does not do so
 * again in every life.
 *
 * A rebuild is pipelined: when the broker closes the connection in its middle, the method that it names is known at best,
 * and not which call of it. In the next life the calls of that method are made one at a time, until the culprit shows. It
 * is left out then, for a minute first and for ever longer. Must not know what a culprit is: any object will do.
 */
import { ConnectionClosedByBrokerError, type AmqpError, type ConnectionError } from '../errors.js';
import { failedMethodName, replyCodes, type MethodName } from '../protocol/index.js';

/** True when the broker closed the connection because of this method. */
export function isBlamedOn(cause: AmqpError, method: string): boolean {
  return cause instanceof ConnectionClosedByBrokerError && blamedMethod(cause) === method;
}

/** The method that the broker names; undefined where it names none. */
function blamedMethod({ classId, methodId }: ConnectionClosedByBrokerError): string | undefined {
  return classId === undefined || classId === 0 ? undefined : failedMethodName(classId, methodId ?? 0);
}

/** Codes of a broker that shuts down or sends everybody away: nobody's fault. */
const blameless: readonly number[] = [replyCodes.connectionForced, replyCodes.invalidPath];

interface Sentence {
  readonly error: ConnectionError;
  readonly delay: number;
  /** By `now`. */
  readonly until: number;
}

const longestDelay = 3_600_000;

export class Trials {
  readonly #firstDelay: number;
  readonly #now: () => number;
  /** Names of methods, or `any` where the broker named none. */
  readonly #suspects = new Set<string>();
  #sentences = new WeakMap<object, Sentence>();
  /** Ends of lives whose culprit is known: calls that were to follow it reject with the same error. */
  readonly #solved = new WeakSet<Error>();
  #turn: Promise<unknown> = Promise.resolve();

  /** `firstDelay`: milliseconds that a culprit is left out for at first; doubles each time. */
  constructor(firstDelay = 60_000, now: () => number = () => performance.now()) {
    this.#firstDelay = firstDelay;
    this.#now = now;
  }

  /** A life ended before all was restored. */
  noteFailure(cause: AmqpError): void {
    if (!(cause instanceof ConnectionClosedByBrokerError) || blameless.includes(cause.replyCode)) return;
    const method = blamedMethod(cause);
    // An internal error (541) names no method.
    if (method !== undefined) this.#suspects.add(method);
    else if (cause.replyCode === replyCodes.internalError) this.#suspects.add('any');
  }

  /** Everything was restored that can be. */
  noteSuccess(): void {
    this.#suspects.clear();
  }

  /** Why something is left out at present; undefined when it may be tried. */
  sentenceOn(subject: object): ConnectionError | undefined {
    const sentence = this.#sentences.get(subject);
    return sentence && this.#now() < sentence.until ? sentence.error : undefined;
  }

  /** Everything may be tried again. */
  pardon(): void {
    this.#sentences = new WeakMap();
  }

  /** True where `run` waits for its turn: there is no use in making other such calls before it is through. */
  isSuspect(method: MethodName, subject: object): boolean {
    return this.#suspects.has(method) || this.#suspects.has('any') || this.#sentences.has(subject);
  }

  /** Makes a call: at once, or where it is suspect when no other suspect's is under way. */
  async run<Result>(method: MethodName, subject: object, call: () => Promise<Result>): Promise<Result> {
    if (!this.isSuspect(method, subject)) return call();
    const verdict = this.#turn.then(() => this.#try(method, subject, call));
    this.#turn = verdict.catch(() => undefined);
    return verdict;
  }

  async #try<Result>(method: MethodName, subject: object, call: () => Promise<Result>): Promise<Result> {
    try {
      const result = await call();
      this.#sentences.delete(subject);
      return result;
    } catch (error) {
      if (error instanceof ConnectionClosedByBrokerError && this.#isGuilty(error, method)) {
        this.#solved.add(error);
        const earlier = this.#sentences.get(subject);
        const delay = earlier ? Math.min(longestDelay, earlier.delay * 2) : this.#firstDelay;
        this.#sentences.set(subject, { error, delay, until: this.#now() + delay });
      }
      throw error;
    }
  }

  #isGuilty(error: ConnectionClosedByBrokerError, method: MethodName): boolean {
    if (this.#solved.has(error)) return false;
    const blamed = blamedMethod(error);
    return blamed === undefined ? error.replyCode === replyCodes.internalError : blamed === method;
  }
}
