/**
 * A batch at work. Each of its messages runs on its own, as one without a batch does, and is settled so, whatever comes of it;
 * in place of a handler it takes its seat here. When each has one, or failed before (a body that cannot be read), the handler
 * is given all that are seated, and each learns its own result.
 */
import type { Delivery } from '../../amqp/index.js';
import type { AmqpContext } from '../consuming/amqp-context.js';
import { isKeptFromHandler } from '../consuming/policy.js';
import { runForNone } from '../consuming/current-delivery.js';
import type { ConsumerRun, RunVerdict } from '../consuming/consumer-run.js';
import { Ending } from '../consuming/ending.js';
import { HandlerTimeoutError, ShutdownError, tamed } from '../errors.js';
import type { Deadlines } from './deadlines.js';
import { BatchContext } from './batch-context.js';

/** Runs the handler of a batch; rejects with what failed all of it that did not fail by itself. */
export type InvokeBatch = (payloads: unknown, context: BatchContext) => Promise<unknown>;

/** What all batches of a handler have in common. */
export interface BatchHandler {
  /** `Class.method`. */
  readonly name: string;
  readonly invoke: InvokeBatch;
  /** Milliseconds; undefined: without limit. */
  readonly timeout: number | undefined;
  readonly deadlines: Deadlines | undefined;
}

/** One that takes part: where it is in its batch. */
interface Seated {
  readonly payload: unknown;
  readonly context: AmqpContext;
  resolve(): void;
  reject(error: unknown): void;
}

/** Where a message waits for its batch: what it calls in place of a handler. */
export class Seat {
  readonly #handler: BatchHandler;
  /** Takes who sits down; undefined before the batch runs, and once it is under way: who comes then comes alone. */
  onSeated: ((seated: Seated) => void) | undefined;

  constructor(handler: BatchHandler) {
    this.#handler = handler;
  }

  /** Settled with the message's own result. */
  take(payload: unknown, context: AmqpContext): Promise<void> {
    return new Promise((resolve, reject) => {
      const seated: Seated = { payload, context, resolve, reject };
      if (this.onSeated) this.onSeated(seated);
      // A message that is run again, after it waited in memory for that.
      else void runSeated(this.#handler, [seated], new Ending());
    });
  }
}

/** A message and its seat. */
export interface BatchMember {
  readonly run: ConsumerRun;
  readonly seat: Seat;
}

export class BatchRun implements ConsumerRun {
  readonly delivery: Delivery;
  readonly title: string;
  readonly #handler: BatchHandler;
  readonly #members: readonly BatchMember[];
  readonly #ending = new Ending();

  constructor(handler: BatchHandler, members: readonly [BatchMember, ...BatchMember[]]) {
    this.#handler = handler;
    this.#members = members;
    this.title = handler.name;
    this.delivery = members[0].run.delivery;
  }

  get deliveries(): readonly Delivery[] {
    return this.#members.map(({ run }) => run.delivery);
  }

  get isOver(): boolean {
    return this.#members.every(({ run }) => run.isOver);
  }

  /** One that was handled says that the handler works. */
  get verdict(): RunVerdict {
    const verdicts = this.#members.map(({ run }) => run.verdict);
    return verdicts.find((verdict) => verdict === 'done') ?? verdicts.find((verdict) => verdict === 'failed');
  }

  async run(): Promise<void> {
    const members = this.#members.filter(({ run }) => !run.delivery.isStale);
    const places: (Seated | undefined)[] = members.map(() => undefined);
    let missing = members.length;
    const runs = members.map(({ run, seat }, place) => {
      let isCounted = false;
      const count = (): void => {
        if (isCounted) return;
        isCounted = true;
        seat.onSeated = undefined;
        missing -= 1;
        if (missing > 0) return;
        const seated = places.filter((one) => one !== undefined);
        if (seated.length > 0) void runSeated(this.#handler, seated, this.#ending);
      };
      seat.onSeated = (seated) => {
        places[place] = seated;
        count();
      };
      return run.run().then(count);
    });
    await Promise.all(runs);
  }

  refuse(error: Error): void {
    for (const { run } of this.#members) run.refuse(error);
  }

  giveBack(): void {
    for (const { run } of this.#members) run.giveBack();
  }

  abandon(limit: number): number {
    this.#ending.end(new ShutdownError(this.title, limit));
    return this.#members.reduce((count, { run }) => count + run.abandon(limit), 0);
  }

  expire(error: HandlerTimeoutError): void {
    this.#ending.end(error);
    for (const { run } of this.#members) {
      if (!run.isOver && !run.delivery.isSettled && !run.delivery.isStale) run.expire(error);
    }
  }

  hurry(): void {
    for (const { run } of this.#members) run.hurry();
  }
}

/**
 * Never rejects: each of them learns its result. What a guard or a pipe kept from the handler is tried one by one, so that the
 * others do not fail with the one that it meant.
 */
async function runSeated(handler: BatchHandler, seated: readonly Seated[], ending: Ending): Promise<void> {
  const [first, ...others] = seated;
  if (!first) return;
  const context = new BatchContext({ contexts: [first.context, ...others.map((one) => one.context)], ending });
  const { name, timeout = 0, deadlines } = handler;
  const deadline = deadlines?.begin(() => ending.end(new HandlerTimeoutError(name, timeout)));
  let failure: { readonly error: unknown } | undefined;
  try {
    const payloads = seated.map(({ payload }) => payload);
    // Whoever sat down last began this: the handler works for all of them.
    await ending.unlessEnded(() => runForNone(() => handler.invoke(payloads, context)));
  } catch (error) {
    failure = { error: tamed(error) };
  } finally {
    if (deadline) deadlines?.end(deadline);
    context.end();
  }
  if (failure && others.length > 0 && !ending.reason && isKeptFromHandler(failure.error)) {
    for (const one of seated) {
      // With a time limit of its own.
      const own = new Ending();
      ending.onEnd = (reason) => {
        own.end(reason);
      };
      await runSeated(handler, [one], own);
    }
    return;
  }
  for (const [index, one] of seated.entries()) {
    if (context.failures.has(index)) one.reject(context.failures.get(index));
    else if (failure) one.reject(failure.error);
    else one.resolve();
  }
}
