/**
 * One delivery from the queue to its settlement: read, handled, settled by policy, whatever goes wrong on the way.
 * Nothing that a handler does gets out of `run`.
 */
import type { Logger } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import type { Channel, Delivery, SettlementResult } from '../../amqp/index.js';
import type { Deadlines } from '../flow/deadlines.js';
import { describeError, HandlerTimeoutError, NoHandlerError, ShutdownError, logError, tamed } from '../errors.js';
import type { MessageIn } from '../formats/body-reader.js';
import { payloadOf } from '../formats/message-layout.js';
import { handleEvents, tellHandled } from '../observability/handle-events.js';
import { errorReply, valueReply, type PlainReply } from '../requests/plain-reply.js';
import { sendReply, type Asked } from '../requests/replying.js';
import { isTriedAgain, settleFailure, type FailureHost } from '../retrying/failure-settler.js';
import type { FailedMessage, MessageOrigin } from '../retrying/message-copy.js';
import { Pause } from '../waiting.js';
import { AmqpContext } from './amqp-context.js';
import type { ConsumerPlan, HandlerPlan } from './consumer-plan.js';
import { runFor } from './current-delivery.js';
import { Ending } from './ending.js';
import type { ConsumerRun, RunVerdict } from './consumer-run.js';
import { planFor, reasonOf, verdictOf, type SettlementPolicy } from './policy.js';
import { Settlement } from './settlement.js';

/** What a layout tells of a delivery. */
export interface ChosenTarget {
  readonly target: RunTarget | undefined;
  readonly pattern: string | undefined;
  /** Set where the body was read for it. */
  readonly body: { readonly value: unknown } | undefined;
}

/** Milliseconds before a message whose failure could not be settled goes back: without them it would come again at once. */
const requeueDelay = 1_000;

/** A handler that can be run. */
export interface RunTarget extends HandlerPlan {
  readonly invoke: (payload: unknown, context: AmqpContext) => Promise<unknown>;
  /** Of its `timeout`. */
  readonly deadlines: Deadlines | undefined;
}

/** Errors whose stack was logged: what fails a batch fails many messages. */
const withStack = new WeakSet<Error>();

/** What a delivery's handling needs. */
export interface DeliveryRunParts {
  readonly plan: ConsumerPlan;
  /** Whose message it is; undefined: nobody's. */
  readonly target: RunTarget | undefined;
  /** Set where its layout tells whose it is, in place of `target`. Rejects with UnreadableBodyError. */
  readonly choose?: (() => Promise<ChosenTarget>) | undefined;
  /** Where it came from, over all its copies. */
  readonly origin: MessageOrigin;
  readonly failures: FailureHost;
  readonly channel: Channel;
  readonly delivery: Delivery;
  readonly logger: Logger;
  readonly onStale: () => void;
}

export class DeliveryRun implements ConsumerRun {
  readonly delivery: Delivery;
  readonly #parts: DeliveryRunParts;
  /** `Class.method`. */
  #title: string;
  #policy: SettlementPolicy;
  readonly #settlement: Settlement;
  /** Who waits for a reply. */
  #replyTo: string | undefined;
  #target: RunTarget | undefined;
  #chosen: ChosenTarget | undefined;
  readonly #pause = new Pause();
  #ending = new Ending();
  #isRunning = false;
  /** Runs of this delivery that failed, and after which it waited in memory. */
  #failedRuns = 0;
  /** Why it is not to be handled. */
  #refusal: Error | undefined;
  #verdict: RunVerdict;
  #isExpired = false;
  /** Of the run at hand, for who observes. */
  #payload: unknown;
  #error: unknown;

  constructor(parts: DeliveryRunParts) {
    const { plan, target, delivery } = parts;
    this.#parts = parts;
    this.delivery = delivery;
    this.#title = plan.title;
    this.#policy = plan.policy;
    if (target) this.#aimAt(target);
    const { parking, retries } = parts.failures;
    this.#settlement = new Settlement(delivery, {
      park: (reason, error) => parking.park(this.#message(reason, error)),
      retry: (delay, reason, error) => retries.wait(this.#message(reason, error), delay),
    });
  }

  #aimAt(target: RunTarget): void {
    this.#target = target;
    this.#title = target.handler.name;
    this.#replyTo = target.options.reply === true ? replyToOf(this.delivery) : undefined;
    this.#policy = this.#replyTo === undefined ? target.policy : target.requestPolicy;
  }

  /** True when nothing is to be waited for: settled or stale, and its handler is done. */
  get isOver(): boolean {
    return !this.#isRunning && (this.delivery.isSettled || this.delivery.isStale);
  }

  get title(): string {
    return this.#title;
  }

  get verdict(): RunVerdict {
    return this.#verdict;
  }

  /** Resolves when the handler is done or given up, and the delivery is settled where that is ours. Never rejects. */
  async run(): Promise<void> {
    this.#isRunning = true;
    while (await this.#runOnce()) {
      this.#tellHandled(true);
      this.#failedRuns += 1;
      this.#ending = new Ending();
    }
    this.#isRunning = false;
    this.#tellHandled(false);
  }

  #tellHandled(isTriedAgain: boolean): void {
    if (!handleEvents.hasSubscribers) return;
    const { connection: source, queue } = this.#parts.plan;
    const attempts = this.#attempts;
    const { delivery } = this;
    const run = { source, queue, handler: this.#title, delivery, payload: this.#payload, attempts, error: this.#error };
    tellHandled(run, this.#settlement, isTriedAgain);
  }

  /** Answers whether it is to run again. */
  async #runOnce(): Promise<boolean> {
    this.#error = undefined;
    try {
      const { choose } = this.#parts;
      if (choose && !this.#chosen) {
        this.#chosen = await choose();
        if (this.#chosen.target) this.#aimAt(this.#chosen.target);
      }
      if (this.#policy.when === 'before' && !this.#settlement.isSettled) this.#note(this.#settlement.ack());
      const value = await this.#handle();
      this.#verdict = 'done';
      if (this.#replyTo !== undefined) await this.#reply(this.#replyTo, (as) => valueReply(value, as));
      if (this.#policy.when === 'after' && !this.#settlement.isSettled) this.#note(this.#settlement.ack());
      return false;
    } catch (thrown) {
      const error = (this.#error = tamed(thrown));
      this.#verdict = this.#verdictOf(error);
      return await this.#failSafely(error);
    }
  }

  /** It is not to be handled: `run` settles it by its policy, as if its handler had thrown this. */
  refuse(error: Error): void {
    this.#refusal = error;
  }

  /** Gives the message back without having started. */
  giveBack(): void {
    if (!this.delivery.isSettled) this.#note(this.delivery.nack({ requeue: true }));
  }

  /** No time is left: the handler is told, and the message goes back. Answers how many did. */
  abandon(limit: number): number {
    this.#ending.end(new ShutdownError(this.#title, limit));
    if (this.delivery.isSettled || this.delivery.isStale) return 0;
    this.giveBack();
    return 1;
  }

  /** It holds its message for as long as the broker allows: the handler is told, and the message settled by its policy. */
  expire(error: HandlerTimeoutError): void {
    if (this.#isExpired) return;
    this.#isExpired = true;
    this.#ending.end(error);
    this.hurry();
    // To be settled by hand, by a handler that is done.
    if (!this.#isRunning) void this.#failSafely(error);
  }

  /** A wait, before a retry or a requeue, is cut short. */
  hurry(): void {
    this.#pause.cut();
  }

  /** Runs that failed, the one at hand included where it did. */
  get #attempts(): number {
    return this.#parts.origin.attempts + this.#failedRuns + 1;
  }

  /** No time was left for it: its message went back. */
  #isAbandoned(error: unknown): boolean {
    return error instanceof ShutdownError && error === this.#ending.reason;
  }

  #verdictOf(error: unknown): RunVerdict {
    if (this.#isAbandoned(error) || this.delivery.isStale) return undefined;
    // What a handler tells who asked is no failure of its own.
    if (this.#replyTo !== undefined && error instanceof RpcException) return 'done';
    return verdictOf(error);
  }

  async #handle(): Promise<unknown> {
    const { plan, channel } = this.#parts;
    if (this.#refusal) throw this.#refusal;
    const target = this.#target;
    if (!target) throw new NoHandlerError(this.#chosen ? (this.#chosen.pattern ?? '') : this.#parts.origin.routingKey);
    const { handler, timeout, deadlines, invoke } = target;
    let body = this.#read(target);
    if (body instanceof Promise) body = (await body) as unknown;
    if (plan.layout) body = payloadOf(plan.layout.payloadFrom, body, this.delivery);
    // While it was read, its time may have run out, or its connection been lost: then it comes again.
    if (this.#ending.reason) throw this.#ending.reason;
    if (this.delivery.isStale) return undefined;
    const payload = (this.#payload = body);
    const context = new AmqpContext({
      delivery: this.delivery,
      channel,
      queue: plan.queue,
      origin: this.#parts.origin,
      attempts: this.#attempts,
      handler: handler.name,
      pattern: this.#chosen?.pattern,
      connection: plan.connection.name,
      ending: this.#ending,
      settlement: this.#settlement,
    });
    const ending = this.#ending;
    const deadline = deadlines?.begin(() => {
      ending.end(new HandlerTimeoutError(handler.name, timeout ?? 0));
    });
    try {
      return await ending.unlessEnded(() => runFor(context, () => invoke(payload, context)));
    } finally {
      if (deadline) deadlines?.end(deadline);
    }
  }

  /** The value in the body, or its bytes; a promise where it is decompressed. Throws UnreadableBodyError. */
  #read({ options, reader }: RunTarget): unknown {
    if (this.#chosen?.body) return this.#chosen.body.value;
    return options.body === 'bytes' ? reader.bytes(this.delivery) : reader.read(this.delivery);
  }

  /** What was thrown may itself throw when it is looked at: the message is settled all the same. */
  async #failSafely(error: unknown): Promise<boolean> {
    try {
      if (this.#isAbandoned(error)) return false;
      return await this.#fail(error);
    } catch (failure) {
      const { name, message } = describeError(failure);
      this.#parts.logger.error(`${this.#title}: its failure could not be settled: ${name}: ${message}; requeued`);
      await this.#pause.wait(requeueDelay);
      if (!this.delivery.isSettled) this.giveBack();
      return false;
    }
  }

  async #fail(error: unknown): Promise<boolean> {
    const policy = this.#policy;
    const attempts = this.#attempts;
    const plan = planFor(policy, error);
    const replyTo = this.#replyTo;
    const isAsked = replyTo !== undefined;
    if (isAsked && !isTriedAgain(plan, attempts)) await this.#reply(replyTo, (as) => errorReply(error, as));
    return await settleFailure(this.#parts.failures, {
      delivery: this.delivery,
      settlement: this.#settlement,
      queue: this.#parts.plan.queue,
      title: this.#title,
      policy,
      error,
      attempts,
      pause: this.#pause,
      tell: (consequence, isFinal) => {
        if (isAsked && consequence === 'dropped') {
          // What a handler tells who asked is no failure of its own.
          if (!(error instanceof RpcException)) this.#report(error, 'who asked was told', true);
        } else this.#report(error, consequence, isFinal);
      },
      onStale: () => {
        this.#note('stale');
      },
    });
  }

  /** Never rejects: to run the handler again over a reply that did not arrive would help nobody. */
  async #reply(replyTo: string, make: (as: MessageIn | undefined) => PlainReply): Promise<void> {
    const { plan, channel, logger } = this.#parts;
    const asked: Asked = {
      delivery: this.delivery,
      replyTo,
      queue: plan.queue,
      channel,
      acknowledge: () => {
        if (!this.#settlement.isSettled) this.#note(this.#settlement.ack());
      },
      onNobody: () => {
        logger.warn(`${this.#title}: nobody waits for the reply any more`);
      },
    };
    try {
      const { body, properties } = this.#made(make);
      await sendReply(await plan.connection.publishChannel('of replies'), asked, body, properties);
    } catch (error) {
      if (!this.delivery.isStale) logger.error(`${this.#title}: the reply was lost: ${describeError(error).message}`);
    }
  }

  /** In the format of the request. */
  #made(make: (as: MessageIn | undefined) => PlainReply): PlainReply {
    const as = this.#target?.reader.formatOf(this.delivery);
    try {
      return make(as);
    } catch (error) {
      const name = as ? `"${as.contentType}"` : 'JSON';
      this.#parts.logger.error(
        `${this.#title}: the reply cannot be written as ${name}: ${describeError(error).message}`,
      );
      return errorReply(error);
    }
  }

  #message(reason: string, error: unknown): FailedMessage {
    const { queue } = this.#parts.plan;
    return { delivery: this.delivery, queue, handler: this.#title, reason, error, attempts: this.#attempts };
  }

  #note(result: SettlementResult): void {
    if (result === 'stale') this.#parts.onStale();
  }

  /** Once for each failure; the stack of what is tried again, or expected of bad input, helps nobody. */
  #report(error: unknown, consequence: string, isFinal: boolean): void {
    const { name, message } = describeError(error);
    const line = `${this.#title}: ${name}: ${message} (${consequence})`;
    if (!isFinal) this.#parts.logger.warn(line);
    else if (reasonOf(error) === 'error' && error instanceof Error && !withStack.has(error)) {
      withStack.add(error);
      logError(this.#parts.logger, line, error);
    } else this.#parts.logger.error(line);
  }
}

/** Undefined where it has none, or its properties cannot be read. */
function replyToOf(delivery: Delivery): string | undefined {
  try {
    const { replyTo } = delivery.properties;
    return replyTo === '' ? undefined : replyTo;
  } catch {
    return undefined;
  }
}
