/**
 * What AmqpServer does with one delivery:
 *
 *   read -> request -> reply (value, values or error) -> ack
 *        -> event   -> all its handlers -> ack, or, when one failed, as its policy says
 *        -> unreadable, or nobody handles it -> as the server's own policy says; a request is answered, and done with
 *
 * What is tried again is read again, and goes to all its handlers again. Nothing in here rejects: a message that cannot be
 * handled never stops the queue.
 */
import { HttpException, type LoggerService } from '@nestjs/common';
import type { MessageHandler } from '@nestjs/microservices';
import { isObservable, type Observable } from 'rxjs';
import type { Channel, Delivery, SettlementResult } from '../../amqp/index.js';
import { AmqpContext } from '../consuming/amqp-context.js';
import { runFor } from '../consuming/current-delivery.js';
import { Ending } from '../consuming/ending.js';
import { noteOf, originalError } from '../consuming/error-notes.js';
import type { ConsumerRun, RunVerdict } from '../consuming/consumer-run.js';
import { noteRefusal, planFor, verdictOf, type FailurePlan, type SettlementPolicy } from '../consuming/policy.js';
import { Settlement } from '../consuming/settlement.js';
import {
  describeError,
  excerpt,
  HandlerTimeoutError,
  NoHandlerError,
  ShutdownError,
  logError,
  tamed,
  UnreadableBodyError,
} from '../errors.js';
import type { Deadlines } from '../flow/deadlines.js';
import { Formats } from '../formats/formats.js';
import type { MessageLayout } from '../formats/message-layout.js';
import { handleEvents, tellHandled } from '../observability/handle-events.js';
import { isTriedAgain, settleFailure, type FailureHost } from '../retrying/failure-settler.js';
import { originOf, type FailedMessage, type MessageOrigin } from '../retrying/message-copy.js';
import { Pause } from '../waiting.js';
import type { HandlerPolicies } from './handler-policy.js';
import type { HandlerRegistry } from './handler-registry.js';
import { packetOf, type IncomingPacket } from './layout-packet.js';
import { patternText, toOutgoing } from './packet.js';
import { sendReply, type Asked } from '../requests/replying.js';
import { runReplies, type ReplyPacket } from './reply-stream.js';
import type { TransportReader } from './transport-reader.js';

/** What the handling of deliveries needs of its server. */
export interface ServerDeliveryHost {
  /** The server. */
  readonly source: object;
  readonly logger: LoggerService;
  readonly registry: HandlerRegistry;
  readonly policies: HandlerPolicies;
  readonly failures: FailureHost;
  readonly hasWildcards: boolean;
  /** The queue's name at this moment. */
  readonly queue: string;
  readonly connectionName: string;
  /** Milliseconds for the handlers of a delivery; undefined: without limit. */
  readonly timeout: number | undefined;
  /** Of `timeout`. */
  readonly deadlines: Deadlines | undefined;
  readonly reader: TransportReader;
  /** Where pattern and payload stand; undefined: where Nest puts them. */
  readonly layout: MessageLayout | undefined;
  /** False: the deserialiser is the user's own and may read other bodies than JSON. */
  readonly requiresJson: boolean;
  deserialize(value: unknown, properties: Delivery['properties']): unknown;
  serialize(packet: object): unknown;
  /** A pattern's text as the key of its handlers. */
  routeOf(pattern: string): string;
  /** Runs between the hooks that Nest's instrumentation sets. */
  runBetweenHooks(context: AmqpContext, run: () => Promise<void>): Promise<void>;
  /** A channel with confirms for replies. */
  openOutbox(): Promise<Channel>;
}

/** What a handler failed with, and how that is to be settled. */
interface Failure {
  /** As it came out of Nest's filters. */
  readonly error: unknown;
  /** What the handler threw, where that is known. */
  readonly origin?: unknown;
  readonly policy: SettlementPolicy;
}

/** What Nest's filter makes of an error that is no RpcException. */
const hiddenByNest = 'Internal server error';
/** What Nest's filter makes of a guard that answered false. */
const refusedByGuard = 'Forbidden resource';
/** Of Nest's own transport, word for word. */
const noMessageHandler = 'There is no matching message handler defined in the remote service.';
/** Milliseconds before a message whose failure could not be settled goes back: without them it would come again at once. */
const requeueDelay = 1_000;
/** Characters of a pattern in the log and in headers. */
const longestName = 200;

export class ServerDelivery implements ConsumerRun {
  readonly delivery: Delivery;
  readonly #host: ServerDeliveryHost;
  readonly #channel: Channel;
  readonly #onStale: () => void;
  readonly #settlement: Settlement;
  readonly #origin: MessageOrigin;
  readonly #pause = new Pause();
  #ending = new Ending();
  /** Runs of this delivery that failed, and after which it waited in memory. */
  #failedRuns = 0;
  #isRunning = false;
  #pattern = '';
  /** The pattern as the log may hold it: it comes from outside. */
  #name = '';
  /** Why it is not to be handled. */
  #refusal: Error | undefined;
  #verdict: RunVerdict;
  #isExpired = false;
  /** Of the run at hand, for who observes. */
  #payload: unknown;
  #error: unknown;

  constructor(host: ServerDeliveryHost, channel: Channel, delivery: Delivery, onStale: () => void) {
    this.#host = host;
    this.#channel = channel;
    this.delivery = delivery;
    this.#onStale = onStale;
    this.#origin = originOf(delivery, host.queue);
    const { parking, retries } = host.failures;
    this.#settlement = new Settlement(delivery, {
      park: (reason, error) => parking.park(this.#message(reason, error)),
      retry: (delay, reason, error) => retries.wait(this.#message(reason, error), delay),
    });
  }

  get isOver(): boolean {
    return !this.#isRunning && (this.delivery.isSettled || this.delivery.isStale);
  }

  get title(): string {
    return `"${this.#name}"`;
  }

  get verdict(): RunVerdict {
    return this.#verdict;
  }

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
    const { source, queue } = this.#host;
    const attempts = this.#attempts;
    const { delivery } = this;
    const run = { source, queue, handler: this.#name, delivery, payload: this.#payload, attempts, error: this.#error };
    tellHandled(run, this.#settlement, isTriedAgain);
  }

  /** Answers whether it is to run again. */
  async #runOnce(): Promise<boolean> {
    this.#error = undefined;
    const { deadlines, timeout = 0 } = this.#host;
    const ending = this.#ending;
    const deadline = deadlines?.begin(() => {
      ending.end(new HandlerTimeoutError(this.title, timeout));
    });
    try {
      return await this.#handle();
    } catch (error) {
      // Its channel is gone: the broker delivers it again. Settled: by the handler itself.
      if (this.delivery.isStale || this.delivery.isSettled) return false;
      const { name, message } = describeError(error);
      this.#host.logger.error(
        `Queue "${this.#host.queue}": a failure could not be settled: ${name}: ${message}; requeued`,
      );
      await this.#pause.wait(requeueDelay);
      this.giveBack();
      return false;
    } finally {
      if (deadline) deadlines?.end(deadline);
    }
  }

  refuse(error: Error): void {
    this.#refusal = error;
  }

  giveBack(): void {
    if (!this.delivery.isSettled) this.#note(this.delivery.nack({ requeue: true }));
  }

  abandon(limit: number): number {
    this.#ending.end(new ShutdownError(this.#name, limit));
    if (this.delivery.isSettled || this.delivery.isStale) return 0;
    this.giveBack();
    return 1;
  }

  expire(error: HandlerTimeoutError): void {
    if (this.#isExpired) return;
    this.#isExpired = true;
    this.#ending.end(error);
    this.hurry();
    // To be settled by hand, by a handler that is done.
    if (!this.#isRunning) {
      this.#fail(this.title, [{ error, policy: this.#host.policies.ofNobody }]).catch((failure: unknown) => {
        this.#host.logger.error(`${this.title}: ${describeError(failure).message}`);
        this.giveBack();
      });
    }
  }

  hurry(): void {
    this.#pause.cut();
  }

  /** Runs that failed, the one at hand included where it did. */
  get #attempts(): number {
    return this.#origin.attempts + this.#failedRuns + 1;
  }

  async #handle(): Promise<boolean> {
    let packet: IncomingPacket;
    let replyTo: string | undefined;
    try {
      packet = await this.#read();
      ({ replyTo } = this.delivery.properties);
    } catch (error) {
      return await this.#fail('A message', [{ error: tamed(error), policy: this.#host.policies.ofNobody }]);
    }
    this.#payload = packet.data;
    this.#pattern = patternText(packet.pattern);
    this.#name = excerpt(this.#pattern, longestName);
    return packet.id !== undefined && replyTo !== undefined
      ? await this.#handleRequest(packet, replyTo)
      : await this.#handleEvent(packet);
  }

  async #read(): Promise<IncomingPacket> {
    const host = this.#host;
    const reading = host.reader.read(this.delivery);
    const { value, isRead } = reading instanceof Promise ? await reading : reading;
    if (!isRead && host.requiresJson) throw new UnreadableBodyError('it is not JSON');
    if (host.layout && host.requiresJson) return this.#packetOf(host.layout, value);
    const packet: unknown = await host.deserialize(value, this.delivery.properties);
    if (host.layout) return this.#packetOf(host.layout, packet);
    if (typeof packet !== 'object' || packet === null) throw new UnreadableBodyError('it holds no packet');
    const { pattern, data, id } = packet as Partial<IncomingPacket>;
    return { pattern, data, id };
  }

  #packetOf(layout: MessageLayout, body: unknown): IncomingPacket {
    const { registry, hasWildcards } = this.#host;
    const { routingKey } = this.#origin;
    return packetOf(layout, body, this.delivery, routingKey, (pattern) =>
      registry.has(this.#host.routeOf(pattern), hasWildcards),
    );
  }

  // --- events -------------------------------------------------------------------------------------

  async #handleEvent(packet: IncomingPacket): Promise<boolean> {
    const host = this.#host;
    const name = `Event "${this.#name}"`;
    const handlers = host.registry.forEvent(host.routeOf(this.#pattern), host.hasWildcards);
    if (handlers.length === 0) {
      return await this.#fail(name, [{ error: new NoHandlerError(this.#name), policy: host.policies.ofNobody }]);
    }
    const runs = handlers.map((handler) => ({
      handler,
      policy: host.policies.ofEvent(handler),
      context: this.#context(),
    }));
    const [first = { context: this.#context(), policy: host.policies.ofNobody }] = runs;
    if (runs.every(({ policy }) => policy.when === 'before')) this.#acknowledge();
    const runHandler = async ({ handler, context, policy }: (typeof runs)[number]): Promise<Failure | undefined> => {
      try {
        const result: unknown = await runFor(context, () => this.#call(handler, packet.data, context));
        if (isObservable(result)) await completed(result);
        return undefined;
      } catch (error) {
        return failureOf(error, context, policy);
      }
    };
    let failures: Failure[] = [];
    try {
      await this.#ending.unlessEnded(() =>
        host.runBetweenHooks(first.context, async () => {
          const results = await Promise.all(runs.map(runHandler));
          failures = results.filter((failure) => failure !== undefined);
        }),
      );
    } catch (error) {
      // No time was left for it, and its message went back.
      if (error instanceof ShutdownError && error === this.#ending.reason) return false;
      failures = [{ error, policy: first.policy }];
    }
    this.#noteVerdict(failures[0]);
    if (failures.length > 0) return await this.#fail(name, failures);
    if (!runs.some(({ policy }) => policy.when === 'manual')) this.#acknowledge();
    return false;
  }

  // --- requests -----------------------------------------------------------------------------------

  async #handleRequest(packet: IncomingPacket, replyTo: string): Promise<boolean> {
    const host = this.#host;
    const handler = host.registry.forRequest(host.routeOf(this.#pattern), host.hasWildcards);
    const respond = (reply: ReplyPacket): Promise<void> => this.#reply(replyTo, reply);
    const policy = handler && host.policies.ofRequest(handler);
    if (policy?.when === 'before') this.#acknowledge();
    let failure: Failure | undefined;
    try {
      if (handler && policy) {
        const context = this.#context();
        await host.runBetweenHooks(context, async () => {
          // Who asked hears of the last failure only.
          const isTold = (error: unknown): boolean => {
            failure = failureOf(error, context, policy);
            return this.#isLast(failure);
          };
          await runFor(context, () =>
            runReplies(() => this.#call(handler, packet.data, context), respond, this.#ending, isTold),
          );
        });
      } else {
        host.logger.warn(`Request "${this.#name}": there is no handler.`);
        await respond({ id: packet.id, err: noMessageHandler, status: 'error' });
      }
      this.#noteVerdict(failure);
      this.#error = failure && errorOf(failure);
    } catch (error) {
      if (policy && error instanceof HandlerTimeoutError && error === this.#ending.reason) {
        failure = { error, policy };
        this.#noteVerdict(failure);
        if (this.#isLast(failure)) await this.#tellOfTimeout(error, respond);
      }
      // Where its channel is gone the broker delivers it again, and the reply goes out then.
      if (!this.delivery.isStale && !this.#ending.reason) {
        host.logger.error(`Request "${this.#name}": the reply was lost: ${describeError(error).message}`);
      }
    }
    if (failure && !this.#settlement.isSettled) {
      const plan = planOf(failure);
      // Whoever asked knows of it. What else is to be done only its own policy says.
      if (plan.then !== 'drop' || isTriedAgain(plan, this.#attempts)) {
        return await this.#fail(`Request "${this.#name}"`, [failure]);
      }
    }
    // Also when the reply was lost: to run the handler again would help nobody.
    if (policy?.when !== 'manual' || failure) this.#acknowledge();
    return false;
  }

  /** Whether nothing more is tried after it: who asked is to be told. */
  #isLast(failure: Failure): boolean {
    return this.#settlement.isSettled || !isTriedAgain(planOf(failure), this.#attempts);
  }

  async #tellOfTimeout(error: Error, respond: (reply: ReplyPacket) => Promise<void>): Promise<void> {
    if (this.delivery.isStale) return;
    this.#host.logger.error(`Request: ${error.message} (who asked was told)`);
    await respond({ err: { status: 'error', message: hiddenByNest }, isDisposed: true }).catch((failure: unknown) => {
      this.#host.logger.error(`Request "${this.#name}": the reply was lost: ${describeError(failure).message}`);
    });
  }

  #call(handler: MessageHandler, data: unknown, context: AmqpContext): unknown {
    if (this.#refusal) throw this.#refusal;
    return handler(data, context);
  }

  async #reply(replyTo: string, reply: ReplyPacket): Promise<void> {
    const { body, properties } = await this.#pack(reply);
    const asked: Asked = {
      delivery: this.delivery,
      replyTo,
      queue: this.#host.queue,
      channel: this.#channel,
      acknowledge: () => {
        this.#acknowledge();
      },
      onNobody: () => {
        this.#host.logger.warn(`Request "${this.#name}": nobody waits for the reply any more.`);
      },
    };
    await sendReply(await this.#host.openOutbox(), asked, body, properties);
  }

  async #pack(reply: ReplyPacket): Promise<ReturnType<typeof toOutgoing>> {
    const { reader } = this.#host;
    try {
      // In the format of the request.
      const contentType = reader.formatOf(this.delivery)?.contentType;
      return toOutgoing(await this.#host.serialize(reply), reader.formats, contentType);
    } catch (error) {
      const { message } = describeError(error);
      this.#host.logger.error(`Request "${this.#name}": the reply cannot be serialised: ${message}`);
      return toOutgoing({ err: { status: 'error', message: hiddenByNest }, isDisposed: true }, Formats.none);
    }
  }

  // --- the end ------------------------------------------------------------------------------------

  /** What a handler tells who asked is no failure of its own. */
  #noteVerdict(failure: Failure | undefined): void {
    if (this.delivery.isStale) return;
    this.#verdict = failure && !isAnswer(failure) ? verdictOf(failure.error, failure.origin) : 'done';
  }

  #context(): AmqpContext {
    return new AmqpContext({
      delivery: this.delivery,
      channel: this.#channel,
      queue: this.#host.queue,
      origin: this.#origin,
      attempts: this.#attempts,
      handler: this.#pattern,
      pattern: this.#pattern,
      connection: this.#host.connectionName,
      ending: this.#ending,
      settlement: this.#settlement,
    });
  }

  #acknowledge(): void {
    if (!this.#settlement.isSettled) this.#note(this.#settlement.ack());
  }

  #note(result: SettlementResult): void {
    if (result === 'stale') this.#onStale();
  }

  #message(reason: string, error: unknown): FailedMessage {
    const { delivery } = this;
    return { delivery, queue: this.#host.queue, handler: this.#name, reason, error, attempts: this.#attempts };
  }

  /** Logs the failures once, and settles by the policy of the first; answers whether its handlers are to run again. */
  async #fail(name: string, failures: readonly Failure[]): Promise<boolean> {
    const [first] = failures;
    if (!first) return false;
    this.#error = errorOf(first);
    return await settleFailure(this.#host.failures, {
      delivery: this.delivery,
      settlement: this.#settlement,
      queue: this.#host.queue,
      title: name,
      policy: first.policy,
      error: errorOf(first),
      origin: first.origin,
      attempts: this.#attempts,
      pause: this.#pause,
      tell: (consequence, isFinal) => {
        const messages = failures.map((failure) => describeError(errorOf(failure)).message);
        this.#log(`${name}: ${messages.join('; ')} (${consequence})`, failures, isFinal);
      },
      onStale: () => {
        this.#note('stale');
      },
    });
  }

  /** An error that Nest's filter has logged is not logged a second time, only what becomes of the message. */
  #log(text: string, failures: readonly Failure[], isFinal: boolean): void {
    if (!isFinal || failures.every(isLoggedByNest)) this.#host.logger.warn(text);
    else logError(this.#host.logger, text, failures.map(({ error }) => error).find(isUnexpected));
  }
}

function failureOf(thrown: unknown, context: AmqpContext, policy: SettlementPolicy): Failure {
  const error = tamed(thrown);
  const note = noteOf(context);
  // Nest says so of a guard that answered false. A handler that throws the same was reached first.
  if (!note && !(error instanceof Error) && messageOf(error) === refusedByGuard) noteRefusal(error);
  return { error, origin: tamed(originalError(context)), policy };
}

function planOf({ error, origin, policy }: Failure): FailurePlan {
  return planFor(policy, error, origin);
}

/** What went wrong, in its own words. */
function errorOf({ error, origin }: Failure): unknown {
  return messageOf(error) === hiddenByNest && origin !== undefined ? origin : error;
}

/** What a handler throws for who asked, which Nest's filter has made an object of: an RpcException. */
function isAnswer({ error }: Failure): boolean {
  return !(error instanceof Error) && messageOf(error) !== hiddenByNest;
}

/** Waits for its end. */
function completed(source: Observable<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    source.subscribe({ error: reject, complete: resolve });
  });
}

/** Nest's filter logs what it hides, but for HTTP's own exceptions, which are meant to reach a caller. */
function isLoggedByNest({ error, origin }: Failure): boolean {
  return messageOf(error) === hiddenByNest && !(origin instanceof HttpException);
}

/** Undefined also where it does not let itself be asked. */
function messageOf(error: unknown): unknown {
  try {
    return typeof error === 'object' && error !== null && 'message' in error ? error.message : undefined;
  } catch {
    return undefined;
  }
}

/** The stack of what comes of a foreign message helps nobody. */
function isUnexpected(error: unknown): error is Error {
  return error instanceof Error && !(error instanceof UnreadableBodyError) && !(error instanceof NoHandlerError);
}
