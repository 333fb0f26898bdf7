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
import { isObservable, type Observable } from 'rxjs';
import type { Channel, Delivery, SettlementResult } from '../../amqp/index.js';
import { AmqpContext } from '../consuming/amqp-context.js';
import { runFor } from '../consuming/current-delivery.js';
import { Ending } from '../consuming/ending.js';
import { noteOf } from '../consuming/error-notes.js';
import type { ConsumerRun } from '../consuming/message-consumer.js';
import { parkingQueue, requeueDelay, type Parking } from '../consuming/parking.js';
import { noteRefusal, outcomeOf, reasonOf, type SettlementPolicy } from '../consuming/policy.js';
import { Settlement } from '../consuming/settlement.js';
import {
  describeError,
  excerpt,
  NoHandlerError,
  ShutdownError,
  stackOf,
  tamed,
  UnreadableBodyError,
} from '../errors.js';
import type { FailureOutcome } from '../decorators/ack-policy.js';
import { Formats } from '../formats/formats.js';
import type { MessageLayout } from '../formats/message-layout.js';
import { wait } from '../waiting.js';
import type { HandlerPolicies } from './handler-policy.js';
import type { HandlerRegistry } from './handler-registry.js';
import { packetOf, type IncomingPacket } from './layout-packet.js';
import { patternText, toOutgoing } from './packet.js';
import { sendReply, type Asked } from '../requests/replying.js';
import { runReplies, type ReplyPacket } from './reply-stream.js';
import type { TransportReader } from './transport-reader.js';

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

  async run(): Promise<void> {
    this.#isRunning = true;
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
      this.#isRunning = false;
    }
  }

  giveBack(): void {
    if (!this.delivery.isSettled) this.#note(this.delivery.nack({ requeue: true }));
  }

  abandon(limit: number): boolean {
    this.#ending.end(new ShutdownError(this.#name, limit));
    if (this.delivery.isSettled || this.delivery.isStale) return false;
    this.giveBack();
    return true;
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
    return packetOf(layout, body, this.delivery, (pattern) => registry.has(this.#host.routeOf(pattern), hasWildcards));
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
        const result: unknown = await runFor(context, () => handler(packet.data, context));
        if (isObservable(result)) await completed(result);
        return undefined;
      } catch (error) {
        return failureOf(error, context, policy);
      }
    };
    let failures: Failure[] = [];
    try {
      await host.runBetweenHooks(first.context, async () => {
        const results = await Promise.all(runs.map(runHandler));
        failures = results.filter((failure) => failure !== undefined);
      });
    } catch (error) {
      failures = [{ error, policy: first.policy }];
    }
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
            runReplies(() => handler(packet.data, context), respond, this.#ending),
          );
          failure = failed && failureOf(failed.error, context, policy);
        });
      } else {
        host.logger.warn(`Request "${this.#name}": there is no handler.`);
        await respond({ id: packet.id, err: noMessageHandler, status: 'error' });
      }
    } catch (error) {
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
