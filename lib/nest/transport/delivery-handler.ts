/**
 * What AmqpServer does with one delivery:
 *
 *   read -> request -> reply (value, values or error) -> ack
 *        -> event   -> all its handlers -> ack, or, when one failed, as its policy says
 *        -> unreadable, or nobody handles it -> park; a request is answered first
 *
 * Nothing in here rejects: a message that cannot be handled never stops the queue.
 */
import type { LoggerService } from '@nestjs/common';
import { isObservable } from 'rxjs';
import { UnroutableError, type Channel, type Delivery, type PublishProperties } from '../../amqp/index.js';
import { AmqpContext } from '../consuming/amqp-context.js';
import { runFor } from '../consuming/current-delivery.js';
import { parkingQueue } from '../consuming/parking.js';
import { outcomeOf, reasonOf, type SettlementPolicy } from '../consuming/policy.js';
import { Settlement } from '../consuming/settlement.js';
import { wait } from '../waiting.js';
import { describeError, UnreadableBodyError } from '../errors.js';
import { NoHandlerError } from './errors.js';
import type { HandlerPolicies } from './handler-policy.js';
import type { HandlerRegistry } from './handler-registry.js';
import type { Flight } from './in-flight.js';
import { patternText, readBody, toOutgoing } from './packet.js';
import type { Parking } from './parking.js';
import { runReplies, type ReplyPacket } from './reply-stream.js';

/** What the handling of deliveries needs of its server. */
export interface DeliveryHandlerHost {
  readonly logger: LoggerService;
  readonly registry: HandlerRegistry;
  readonly policies: HandlerPolicies;
  readonly parking: Parking;
  readonly hasWildcards: boolean;
  /** The channel of the consumer. */
  readonly channel: Channel;
  readonly connectionName: string;
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

/** A handler's error, and how it is to be settled. */
interface Failure {
  readonly error: unknown;
  readonly policy: SettlementPolicy | undefined;
}

interface IncomingPacket {
  readonly pattern: unknown;
  readonly data: unknown;
  readonly id: unknown;
}

/** What Nest's filter makes of an error that it has logged itself. */
const loggedByNest = 'Internal server error';
/** Of Nest's own transport, word for word. */
const noMessageHandler = 'There is no matching message handler defined in the remote service.';
const directReplyPrefix = 'amq.rabbitmq.reply-to.';
/** Milliseconds before a message that could not be parked goes back to its queue. */
const requeueDelay = 1_000;

export class DeliveryHandler {
  readonly #host: DeliveryHandlerHost;
  #isParkingBroken = false;

  constructor(host: DeliveryHandlerHost) {
    this.#host = host;
  }

  /** Handles and settles one delivery. Never rejects. */
  async handle(flight: Flight, queue: string): Promise<void> {
    const run = new DeliveryRun(this.#host, flight, queue);
    try {
      await run.handle();
      if (run.hasParked) this.#isParkingBroken = false;
    } catch (error) {
      // Its channel is gone: the broker delivers it again. Settled: by the handler itself.
      if (flight.delivery.isStale || flight.delivery.isSettled) return;
      if (!this.#isParkingBroken) {
        const { message } = describeError(error);
        this.#host.logger.error(`A message of "${queue}" could not be parked and goes back there: ${message}`);
      }
      this.#isParkingBroken = true;
      await wait(requeueDelay, flight.signal);
      giveBack(flight.delivery);
    }
  }
}

/** One delivery. */
class DeliveryRun {
  /** The message went to the parking queue. */
  hasParked = false;
  readonly #host: DeliveryHandlerHost;
  readonly #flight: Flight;
  readonly #delivery: Delivery;
  readonly #queue: string;
  readonly #settlement: Settlement;
  #pattern = '';

  constructor(host: DeliveryHandlerHost, flight: Flight, queue: string) {
    this.#host = host;
    this.#flight = flight;
    this.#delivery = flight.delivery;
    this.#queue = queue;
    this.#settlement = new Settlement(flight.delivery, async (reason, error) => {
      await host.parking.park({ delivery: flight.delivery, queue, handler: this.#pattern, reason, error });
      this.hasParked = true;
    });
  }

  /** Rejects only when the message could not be parked. */
  async handle(): Promise<void> {
    let packet: IncomingPacket;
    let replyTo: string | undefined;
    try {
      packet = await this.#read();
      ({ replyTo } = this.#delivery.properties);
    } catch (error) {
      await this.#park('A message', [error], 'unreadable');
      return;
    }
    this.#pattern = patternText(packet.pattern);
    if (packet.id !== undefined && replyTo !== undefined) await this.#handleRequest(packet, replyTo);
    else await this.#handleEvent(packet);
  }

  async #read(): Promise<IncomingPacket> {
    const { value, isJson } = readBody(this.#delivery.body);
    if (!isJson && this.#host.requiresJson) throw new UnreadableBodyError('it is not JSON');
    const packet: unknown = await this.#host.deserialize(value, this.#delivery.properties);
    if (typeof packet !== 'object' || packet === null) throw new UnreadableBodyError('it holds no packet');
    const { pattern, data, id } = packet as Partial<IncomingPacket>;
    return { pattern, data, id };
  }

  // --- events -------------------------------------------------------------------------------------

  async #handleEvent(packet: IncomingPacket): Promise<void> {
    const host = this.#host;
    const name = `Event "${this.#pattern}"`;
    const handlers = host.registry.forEvent(host.routeOf(this.#pattern), host.hasWildcards);
    if (handlers.length === 0) {
      await this.#park(name, [new NoHandlerError(this.#pattern)], 'no-handler');
      return;
    }
    const context = this.#context();
    const policies = handlers.map((handler) => host.policies.ofEvent(handler));
    if (policies.every(({ when }) => when === 'before')) this.#acknowledge();
    const failures: Failure[] = [];
    try {
      await host.runBetweenHooks(context, async () => {
        const runs = handlers.map((handler) =>
          runFor(context, async () => completed(await handler(packet.data, context))),
        );
        for (const [index, result] of (await Promise.allSettled(runs)).entries()) {
          if (result.status === 'rejected') failures.push({ error: result.reason, policy: policies[index] });
        }
      });
    } catch (error) {
      failures.push({ error, policy: policies[0] });
    }
    if (failures.length > 0) await this.#fail(name, failures);
    else if (!policies.some(({ when }) => when === 'manual')) this.#acknowledge();
  }

  // --- requests -----------------------------------------------------------------------------------

  async #handleRequest(packet: IncomingPacket, replyTo: string): Promise<void> {
    const host = this.#host;
    const handler = host.registry.forRequest(host.routeOf(this.#pattern), host.hasWildcards);
    const respond = (reply: ReplyPacket): Promise<void> => this.#reply(replyTo, reply);
    const policy = handler && host.policies.ofRequest(handler);
    if (policy?.when === 'before') this.#acknowledge();
    let failure: { readonly error: unknown } | undefined;
    try {
      if (handler) {
        const context = this.#context();
        await host.runBetweenHooks(context, async () => {
          failure = await runFor(context, () =>
            runReplies(() => handler(packet.data, context), respond, this.#flight.signal),
          );
        });
      } else {
        host.logger.warn(`Request "${this.#pattern}": there is no handler.`);
        await respond({ id: packet.id, err: noMessageHandler, status: 'error' });
      }
    } catch (error) {
      // Where its channel is gone the broker delivers it again, and the reply goes out then.
      if (!this.#delivery.isStale && !this.#flight.signal.aborted) {
        host.logger.error(`Request "${this.#pattern}": the reply was lost: ${describeError(error).message}`);
      }
    }
    if (failure && policy && !this.#settlement.isSettled) {
      // Whoever asked knows of it. What else is to be done only its own policy says.
      const { error } = failure;
      if (outcomeOf(policy, error) !== 'drop') {
        await this.#fail(`Request "${this.#pattern}"`, [{ error, policy }]);
        return;
      }
    }
    // Also when the reply was lost: to run the handler again would help nobody.
    if (policy?.when !== 'manual' || failure) this.#acknowledge();
  }

  async #reply(replyTo: string, reply: ReplyPacket): Promise<void> {
    if (this.#delivery.isStale) return;
    const { correlationId } = this.#delivery.properties;
    const { body, properties } = await this.#pack(reply);
    const message: PublishProperties = { contentType: 'application/json', ...properties, correlationId };
    const channel = await this.#host.openOutbox();
    // RabbitMQ counts direct reply-to as no queue, so that a mandatory reply would always come back.
    const mandatory = !replyTo.startsWith(directReplyPrefix);
    if (!mandatory && this.#delivery.redelivered) await this.#acknowledgeAhead();
    try {
      await channel.publish('', replyTo, body, message, { mandatory });
    } catch (error) {
      if (!(error instanceof UnroutableError)) throw error;
      this.#host.logger.warn(`Request "${this.#pattern}": nobody waits for the reply any more.`);
    }
  }

  async #pack(reply: ReplyPacket): Promise<ReturnType<typeof toOutgoing>> {
    try {
      return toOutgoing(await this.#host.serialize(reply));
    } catch (error) {
      const { message } = describeError(error);
      this.#host.logger.error(`Request "${this.#pattern}": the reply cannot be serialised: ${message}`);
      return toOutgoing({ err: { status: 'error', message: loggedByNest }, isDisposed: true });
    }
  }

  // --- the end ------------------------------------------------------------------------------------

  #context(): AmqpContext {
    return new AmqpContext({
      delivery: this.#delivery,
      channel: this.#host.channel,
      queue: this.#queue,
      handler: this.#pattern,
      pattern: this.#pattern,
      connection: this.#host.connectionName,
      signal: this.#flight.signal,
      settlement: this.#settlement,
    });
  }

  /**
   * RabbitMQ closes the whole connection (541) over a forged direct reply-to, and the unacknowledged request would come
   * back to do it again, for ever. So a request that came back already is done with before its reply is sent; who asked
   * over a connection that is gone waits no more anyway.
   */
  async #acknowledgeAhead(): Promise<void> {
    if (this.#settlement.isSettled) return;
    this.#acknowledge();
    // An answer on the same channel shows that the broker has read the ack.
    await this.#host.channel.queueDeclare(this.#queue, { passive: true });
  }

  #acknowledge(): void {
    if (!this.#settlement.isSettled) this.#settlement.ack();
  }

  /** Logs the failures once, and settles by the policy of the first, unless a handler has settled, or nobody can any more. */
  async #fail(name: string, failures: readonly Failure[]): Promise<void> {
    const errors = failures.map(({ error }) => error);
    const [{ error, policy } = { error: undefined, policy: undefined }] = failures;
    const outcome = policy ? outcomeOf(policy, error) : 'park';
    if (outcome === 'park' || this.#delivery.isStale || this.#settlement.isSettled) {
      await this.#park(name, errors, reasonOf(error));
      return;
    }
    const text = `${name}: ${errors.map((one) => describeError(one).message).join('; ')}`;
    switch (outcome) {
      case 'dead-letter':
        this.#log(`${text} (dead-lettered)`, errors);
        this.#settlement.deadLetter();
        return;
      case 'requeue':
        this.#log(`${text} (back to "${this.#queue}")`, errors);
        this.#settlement.requeue();
        return;
      case 'drop':
        this.#log(`${text} (dropped)`, errors);
        this.#settlement.drop();
    }
  }

  /** Logs the failure once, and parks the message unless the handler has settled it, or nobody can any more. */
  async #park(name: string, errors: readonly unknown[], reason: string): Promise<void> {
    const text = `${name}: ${errors.map((error) => describeError(error).message).join('; ')}`;
    if (this.#delivery.isStale) {
      this.#log(`${text} (the connection was lost meanwhile, so the message comes again)`, errors);
    } else if (this.#settlement.isSettled) {
      this.#log(`${text} (the message was settled before)`, errors);
    } else {
      this.#log(`${text} (parked in "${parkingQueue(this.#queue)}")`, errors);
      await this.#settlement.park(reason, errors[0]);
    }
  }

  /** An error that Nest's filter has logged is not logged a second time, only what becomes of the message. */
  #log(text: string, errors: readonly unknown[]): void {
    if (errors.every(isLoggedByNest)) this.#host.logger.warn(text);
    else this.#host.logger.error(text, errors.find(isUnexpected)?.stack);
  }
}

function giveBack(delivery: Delivery): void {
  if (!delivery.isSettled) delivery.nack({ requeue: true });
}

/** Waits for an observable's end; anything else is complete. */
function completed(result: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    if (isObservable(result)) result.subscribe({ error: reject, complete: resolve });
    else resolve();
  });
}

function isLoggedByNest(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'message' in error && error.message === loggedByNest;
}

/** The stack of what comes of a foreign message helps nobody. */
function isUnexpected(error: unknown): error is Error {
  return error instanceof Error && !(error instanceof UnreadableBodyError) && !(error instanceof NoHandlerError);
}
