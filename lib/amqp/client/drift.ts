/**
 * A watch over declarations: looks again and again, and tells what changed between one look and the next.
 *
 *   idle --first next()--> looking --something changed--> told --next()--> waiting --interval--> looking ...
 *   any --left, signal, connection closed--> ended;  any --connection failed, a question that cannot be asked--> rejected
 *
 * A look that meets an outage tells nothing: the next one will. Must not know lives.
 */
import { AmqpError, ArgumentError, asError, ManagementError } from '../errors.js';
import { bindingKey, wait, type BindingRecord, type PlannedEntity } from '../recovery/index.js';
import { describe, type Plan } from './plans.js';

/** What changed on the broker since the last look; at the first look, what is not as declared. */
export interface Drift {
  /** Is not there, and was, or was not looked for before. */
  readonly missing: readonly PlannedEntity[];
  /** Is otherwise than declared, and was not, or not in this way. */
  readonly conflicts: readonly PlannedEntity[];
  /** Was missing or in conflict, and is no more: `equal`, or `unknown` where the broker does not say. */
  readonly healed: readonly PlannedEntity[];
  /** Bindings to what was declared that nobody declared, and that were not there. Only by the management API. */
  readonly extra: readonly BindingRecord[];
  /** Bindings that were extra, and are gone or declared now. */
  readonly extraGone: readonly BindingRecord[];
  /** The whole look. */
  readonly plan: Plan;
}

/** What a watch needs of its connection. */
export interface DriftOwner {
  /** One look. */
  look(signal: AbortSignal): Promise<Plan>;
  /** How the connection ended: undefined while it did not. */
  ending(): { readonly failure: AmqpError | undefined } | undefined;
  /** Calls back when the connection ends; the answer takes that back. */
  onEnding(callback: () => void): () => void;
}

type Result = IteratorResult<Drift, undefined>;

/**
 * What drifts, as an async iterable, made by `connection.drift`. It looks from the first `next()` on, and only while
 * somebody waits; leaving the loop ends it.
 */
export class DriftWatch implements AsyncIterableIterator<Drift, undefined> {
  readonly #owner: DriftOwner;
  readonly #interval: number;
  readonly #signal: AbortSignal | undefined;
  readonly #leaving = new AbortController();
  /** Set while it watches. */
  #forget: (() => void) | undefined;
  #pulling: Promise<unknown> = Promise.resolve();
  #known: Known | undefined;
  #isFirstLook = true;
  #isOver = false;

  /** Made by `connection.drift`. `interval` in milliseconds. */
  constructor(owner: DriftOwner, interval: number, signal: AbortSignal | undefined) {
    this.#owner = owner;
    this.#interval = interval;
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * What changed, as soon as something did; the end when the loop was left, the signal aborted or the connection was
   * closed. Rejects when the connection failed, and with what no later look can mend: ArgumentError, or ManagementError
   * of a login that is refused. Several calls at a time are served in order.
   */
  next(): Promise<Result> {
    const result = this.#pulling.then(() => this.#pull()).then((pulled) => this.#orFailure(pulled));
    this.#pulling = result.catch(() => undefined);
    return result;
  }

  /** Called when a `for await` loop is left. */
  return(): Promise<Result> {
    this.#isOver = true;
    this.#leave();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Ends the loop, then rejects with the error. */
  async throw(error: unknown): Promise<Result> {
    await this.return();
    throw error;
  }

  async #pull(): Promise<Result> {
    const { signal } = this.#leaving;
    const isLeft = (): boolean => signal.aborted;
    this.#begin();
    while (!isLeft()) {
      if (!this.#isFirstLook) await wait(this.#interval, signal);
      if (isLeft()) break;
      this.#isFirstLook = false;
      const plan = await this.#look(signal);
      if (!plan) continue;
      const { drift, known } = compare(this.#known ?? nothingKnown, plan);
      this.#known = known;
      if (drift) return { done: false, value: drift };
    }
    return { done: true, value: undefined };
  }

  /** From the first `next()` on: a watch that nobody asks leaves no trace. */
  #begin(): void {
    if (this.#forget || this.#leaving.signal.aborted) return;
    const leave = (): void => {
      this.#leave();
    };
    const forgetEnding = this.#owner.onEnding(leave);
    this.#signal?.addEventListener('abort', leave, { once: true });
    this.#forget = () => {
      forgetEnding();
      this.#signal?.removeEventListener('abort', leave);
    };
    if (this.#signal?.aborted === true || this.#owner.ending()) leave();
  }

  /** Undefined where it came to nothing: it was left, or the connection is away for now. */
  #look(signal: AbortSignal): Promise<Plan | undefined> {
    return new Promise<Plan | undefined>((resolve, reject) => {
      const onLeft = (): void => resolve(undefined);
      signal.addEventListener('abort', onLeft, { once: true });
      this.#owner
        .look(signal)
        .finally(() => signal.removeEventListener('abort', onLeft))
        .then(resolve, (error: unknown) => {
          if (signal.aborted || isForNow(error)) {
            onLeft();
            return;
          }
          reject(asError(error));
          this.#leave();
        });
    });
  }

  /** The end is a rejection, once, where the connection failed. */
  #orFailure(pulled: Result): Result {
    if (pulled.done !== true) return pulled;
    const failure = this.#isOver ? undefined : this.#owner.ending()?.failure;
    this.#isOver = true;
    if (failure) throw failure;
    return pulled;
  }

  #leave(): void {
    this.#forget?.();
    this.#leaving.abort();
  }
}

/** Whether a later look may come to something. */
function isForNow(error: unknown): boolean {
  if (error instanceof ArgumentError || !(error instanceof AmqpError)) return false;
  return !(error instanceof ManagementError) || error.recoverable;
}

// --- what changed ---------------------------------------------------------------------------------

interface Known {
  /** What was missing or in conflict: how it was described. */
  readonly off: ReadonlyMap<string, string>;
  readonly extra: ReadonlyMap<string, BindingRecord>;
}

const nothingKnown: Known = { off: new Map(), extra: new Map() };

function compare(before: Known, plan: Plan): { readonly drift: Drift | undefined; readonly known: Known } {
  const off = new Map([...plan.missing, ...plan.conflicts].map((entity) => [keyOf(entity), describe(entity)]));
  const extra = new Map(plan.extra.map((binding) => [bindingKey(binding), binding]));
  const isNews = (entity: PlannedEntity): boolean => before.off.get(keyOf(entity)) !== describe(entity);
  const drift: Drift = {
    missing: plan.missing.filter(isNews),
    conflicts: plan.conflicts.filter(isNews),
    healed: plan.entities.filter((entity) => before.off.has(keyOf(entity)) && !off.has(keyOf(entity))),
    extra: [...extra].filter(([key]) => !before.extra.has(key)).map(([, binding]) => binding),
    extraGone: [...before.extra].filter(([key]) => !extra.has(key)).map(([, binding]) => binding),
    plan,
  };
  const { missing, conflicts, healed, extraGone } = drift;
  const count = missing.length + conflicts.length + healed.length + drift.extra.length + extraGone.length;
  return { drift: count === 0 ? undefined : drift, known: { off, extra } };
}

/** Bindings of one name may differ in arguments. */
function keyOf({ kind, name, declared }: PlannedEntity): string {
  return `${kind} ${'source' in declared ? bindingKey(declared) : name}`;
}
