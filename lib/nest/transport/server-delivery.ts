/**
 * What AmqpServer does with one delivery:
 *
 *   read -> request -> reply (value, values or error) -> ack
 *        -> event   -> all its handlers -> ack, or, when one failed, as its policy says
 *        -> unreadable, or nobody handles it -> as the server's own policy says; a request is answered, and done with
 *
 * Nothing in here rejects: a message that cannot be handled never stops the queue.
 */
import { HttpException, type LoggerService } from '@nestjs/common';
import type { MessageHandler } from '@nestjs/microservices';
import { isObservable, type Observable } from 'rxjs';
import type { Channel, Delivery, SettlementResult } from '../../amqp/index.js';
import { AmqpContext } from '../consuming/amqp-context.js';
import { runFor } from '../consuming/current-delivery.js';
import { Ending } from '../consuming/ending.js';
import { noteOf } from '../consuming/error-notes.js';
import type { ConsumerRun, RunVerdict } from '../consuming/consumer-run.js';
import { parkingQueue, requeueDelay, type Parking } from '../consuming/parking.js';
import { noteRefusal, outcomeOf, reasonOf, verdictOf, type SettlementPolicy } from '../consuming/policy.js';
import { Settlement } from '../consuming/settlement.js';
import type { Deadlines } from '../flow/deadlines.js';
import {
  describeError,
  excerpt,
  HandlerTimeoutError,
  NoHandlerError,
  ShutdownError,
  stackOf,
  tamed,
  UnreadableBodyError,
} from '../errors.js';
import type { FailureOutcome } from '../decorators/ack-policy.js';
import { wait } from '../waiting.js';
import type { HandlerPolicies } from './handler-policy.js';
import type { HandlerRegistry } from './handler-registry.js';
import { patternText, readBody, toOutgoing } from './packet.js';
import { sendReply, type Asked } from '../requests/replying.js';
import { runReplies, type ReplyPacket } from './reply-stream.js';

/** What the handling of deliveries needs of its server. */
export interface ServerDeliveryHost {
  readonly logger: LoggerService;
  readonly registry: HandlerRegistry;
  readonly policies: HandlerPolicies;
  readonly parking: Parking;
  readonly hasWildcards: boolean;
  /** The queue's name at this moment. */
  readonly queue: string;
  readonly connectionName: string;
  /** Milliseconds for the handlers of a delivery; undefined: without limit. */
  readonly timeout: number | undefined;
  /** Of `timeout`. */
  readonly deadlines: Deadlines | undefined;
  /** True: what is tried again holds its delivery, so that none of its key overtakes it. */
  readonly isOrderedOverRetries: boolean;
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

interface IncomingPacket {
  readonly pattern: unknown;
  readonly data: unknown;
  readonly id: unknown;
}

/** What Nest's filter makes of an error that is no RpcException. */
const hiddenByNest = 'Internal server error';
/** What Nest's filter makes of a guard that answered false. */
const refusedByGuard = 'Forbidden resource';
/** Of Nest's own transport, word for word. */
const noMessageHandler = 'There is no matching message handler defined in the remote service.';
/** Characters of a pattern in the log and in headers. */
const longestName = 200;

export class ServerDelivery implements ConsumerRun {
  readonly delivery: Delivery;
  readonly #host: ServerDeliveryHost;
  readonly #channel: Channel;
  readonly #onStale: () => void;
  readonly #settlement: Settlement;
  readonly #ending = new Ending();
  #hurrying: AbortController | undefined;
  #isRunning = false;
  #pattern = '';
  /** The pattern as the log may hold it: it comes from outside. */
  #name = '';
  /** Why it is not to be handled. */
  #refusal: Error | undefined;
  #verdict: RunVerdict;

  constructor(host: ServerDeliveryHost, channel: Channel, delivery: Delivery, onStale: () => void) {
    this.#host = host;
    this.#channel = channel;
    this.delivery = delivery;
    this.#onStale = onStale;
    this.#settlement = new Settlement(delivery, (reason, error) =>
      host.parking.park({ delivery, queue: host.queue, handler: this.#name, reason, error }),
    );
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
    const { deadlines, timeout = 0 } = this.#host;
    const deadline = deadlines?.begin(() => this.#ending.end(new HandlerTimeoutError(this.title, timeout)));
    try {
      await this.#handle();
    } catch (error) {
      // Its channel is gone: the broker delivers it again. Settled: by the handler itself.
      if (this.delivery.isStale || this.delivery.isSettled) return;
      this.#host.parking.reportFailure(this.#host.logger, `Queue "${this.#host.queue}"`, error);
      this.#hurrying = new AbortController();
      await wait(requeueDelay, this.#hurrying.signal);
      this.giveBack();
    } finally {
      if (deadline) deadlines?.end(deadline);
      this.#isRunning = false;
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
    if (this.#ending.reason) return;
    this.#ending.end(error);
    this.hurry();
    // To be settled by hand, by a handler that is done.
    if (!this.#isRunning)
      void this.#fail(this.title, [{ error, policy: this.#host.policies.ofNobody }]).catch(() => undefined);
  }

  hurry(): void {
    this.#hurrying?.abort();
  }

  /** Rejects only when the message could not be parked. */
  async #handle(): Promise<void> {
    let packet: IncomingPacket;
    let replyTo: string | undefined;
    try {
      packet = await this.#read();
      ({ replyTo } = this.delivery.properties);
    } catch (error) {
      await this.#fail('A message', [{ error: tamed(error), policy: this.#host.policies.ofNobody }]);
      return;
    }
    this.#pattern = patternText(packet.pattern);
    this.#name = excerpt(this.#pattern, longestName);
    if (packet.id !== undefined && replyTo !== undefined) await this.#handleRequest(packet, replyTo);
    else await this.#handleEvent(packet);
  }

  async #read(): Promise<IncomingPacket> {
    const { value, isJson } = readBody(this.delivery.body);
    if (!isJson && this.#host.requiresJson) throw new UnreadableBodyError('it is not JSON');
    const packet: unknown = await this.#host.deserialize(value, this.delivery.properties);
    if (typeof packet !== 'object' || packet === null) throw new UnreadableBodyError('it holds no packet');
    const { pattern, data, id } = packet as Partial<IncomingPacket>;
    return { pattern, data, id };
  }

  // --- events -------------------------------------------------------------------------------------

  async #handleEvent(packet: IncomingPacket): Promise<void> {
    const host = this.#host;
    const name = `Event "${this.#name}"`;
    const handlers = host.registry.forEvent(host.routeOf(this.#pattern), host.hasWildcards);
    if (handlers.length === 0) {
      await this.#fail(name, [{ error: new NoHandlerError(this.#name), policy: host.policies.ofNobody }]);
      return;
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
      if (error instanceof ShutdownError && error === this.#ending.reason) return;
      failures = [{ error, policy: first.policy }];
    }
    this.#noteVerdict(failures[0]);
    if (failures.length > 0) await this.#fail(name, failures);
    else if (!runs.some(({ policy }) => policy.when === 'manual')) this.#acknowledge();
  }

  // --- requests -----------------------------------------------------------------------------------

  async #handleRequest(packet: IncomingPacket, replyTo: string): Promise<void> {
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
          const failed = await runFor(context, () =>
            runReplies(() => this.#call(handler, packet.data, context), respond, this.#ending),
          );
          failure = failed && failureOf(failed.error, context, policy);
        });
      } else {
        host.logger.warn(`Request "${this.#name}": there is no handler.`);
        await respond({ id: packet.id, err: noMessageHandler, status: 'error' });
      }
      this.#noteVerdict(failure && isAnswer(failure) ? undefined : failure);
    } catch (error) {
      if (policy && error instanceof HandlerTimeoutError && error === this.#ending.reason) {
        failure = { error, policy };
        this.#noteVerdict(failure);
        await this.#tellOfTimeout(failure, respond);
      }
      // Where its channel is gone the broker delivers it again, and the reply goes out then.
      if (!this.delivery.isStale && !this.#ending.reason) {
        host.logger.error(`Request "${this.#name}": the reply was lost: ${describeError(error).message}`);
      }
    }
    // Whoever asked knows of it. What else is to be done only its own policy says.
    if (failure && !this.#settlement.isSettled && outcome(failure) !== 'drop') {
      await this.#fail(`Request "${this.#name}"`, [failure]);
      return;
    }
    // Also when the reply was lost: to run the handler again would help nobody.
    if (policy?.when !== 'manual' || failure) this.#acknowledge();
  }

  async #tellOfTimeout(failure: Failure, respond: (reply: ReplyPacket) => Promise<void>): Promise<void> {
    if (this.delivery.isStale) return;
    if (outcome(failure) === 'drop') {
      this.#host.logger.error(`Request: ${describeError(failure.error).message} (who asked was told)`);
    }
    await respond({ err: { status: 'error', message: hiddenByNest }, isDisposed: true }).catch((error: unknown) => {
      this.#host.logger.error(`Request "${this.#name}": the reply was lost: ${describeError(error).message}`);
    });
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
    try {
      return toOutgoing(await this.#host.serialize(reply));
    } catch (error) {
      const { message } = describeError(error);
      this.#host.logger.error(`Request "${this.#name}": the reply cannot be serialised: ${message}`);
      return toOutgoing({ err: { status: 'error', message: hiddenByNest }, isDisposed: true });
    }
  }

  #call(handler: MessageHandler, data: unknown, context: AmqpContext): unknown {
    if (this.#refusal) throw this.#refusal;
    return handler(data, context);
  }

  // --- the end ------------------------------------------------------------------------------------

  #noteVerdict(failure: Failure | undefined): void {
    if (this.#refusal || this.delivery.isStale) return;
    this.#verdict = failure ? verdictOf(failure.error, failure.origin) : 'done';
  }

  #context(): AmqpContext {
    return new AmqpContext({
      delivery: this.delivery,
      channel: this.#channel,
      queue: this.#host.queue,
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

  /** Logs the failures once, and settles by the policy of the first, unless a handler has settled, or nobody can any more. */
  async #fail(name: string, failures: readonly Failure[]): Promise<void> {
    const [first] = failures;
    if (!first) return;
    const { queue } = this.#host;
    const log = (consequence: string): void => {
      const messages = failures.map((failure) => describeError(errorOf(failure)).message);
      this.#log(`${name}: ${messages.join('; ')} (${consequence})`, failures);
    };
    if (this.delivery.isStale) {
      log('the connection was lost meanwhile, so the message comes again');
      this.#note('stale');
      return;
    }
    if (this.#settlement.isSettled) {
      log('the message was settled before');
      return;
    }
    switch (outcome(first)) {
      case 'park':
        log(`parked in "${parkingQueue(queue)}"`);
        this.#note(await this.#settlement.park(reasonOf(first.error, first.origin), errorOf(first)));
        return;
      case 'dead-letter':
        log('dead-lettered');
        this.#note(this.#settlement.deadLetter());
        return;
      case 'requeue':
        log(`back to "${queue}"`);
        this.#note(this.#settlement.requeue());
        return;
      case 'drop':
        log('dropped');
        this.#note(this.#settlement.drop());
    }
  }

  /** An error that Nest's filter has logged is not logged a second time, only what becomes of the message. */
  #log(text: string, failures: readonly Failure[]): void {
    if (failures.every(isLoggedByNest)) this.#host.logger.warn(text);
    else this.#host.logger.error(text, stackOf(failures.map(({ error }) => error).find(isUnexpected)));
  }
}

function failureOf(thrown: unknown, context: AmqpContext, policy: SettlementPolicy): Failure {
  const error = tamed(thrown);
  const note = noteOf(context);
  // Nest says so of a guard that answered false. A handler that throws the same was reached first.
  if (!note && !(error instanceof Error) && messageOf(error) === refusedByGuard) noteRefusal(error);
  return { error, origin: tamed(note?.error), policy };
}

function outcome({ error, origin, policy }: Failure): FailureOutcome {
  return outcomeOf(policy, error, origin);
}

/** What went wrong, in its own words. */
function errorOf({ error, origin }: Failure): unknown {
  return messageOf(error) === hiddenByNest && origin !== undefined ? origin : error;
}

/** What a handler of requests tells who asked, which is no failure of its own: an RpcException. */
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
