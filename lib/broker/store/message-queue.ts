/**
 * One queue: messages that are ready, consumers that take turns, limits and expiry.
 *
 * Must not know exchanges, channels or sockets: whoever consumes implements `QueueConsumer`, whoever owns the queue
 * implements `QueueHost`.
 */
import type { BrokerClock, ClockTimer } from '../clock.js';
import type { BrokerEvents, Outcome } from '../events.js';
import type { Behaviour } from './behaviour.js';
import { ConsumerTurns, type Turns } from './consumer-turns.js';
import { sizeOf, type MemoryLedger } from './memory-ledger.js';
import type { DeathReason, Message, QueuedMessage } from './message.js';
import type { Policy } from './policies.js';
import type { QueueDeclaration, QueueSettings } from './queue-arguments.js';
import { ReadyList } from './ready-list.js';
import { SingleActiveTurns, type SingleTurnTaker } from './single-active-turns.js';

export interface QueueConsumer extends SingleTurnTaker {
  readonly tag: string;
  readonly noAck: boolean;
  readonly isExclusive: boolean;
  /** Hands a message over; called only while `canTake` says so. */
  take(queue: MessageQueue, message: QueuedMessage): void;
  /** The queue is gone. */
  cancel(): void;
}

export interface QueueHost {
  readonly name: string;
  readonly behaviour: Behaviour;
  readonly events: BrokerEvents;
  readonly clock: BrokerClock;
  readonly memory: MemoryLedger;
  /** Sends a dead message on; answers whether a copy was made. `failures`: deliveries of it that failed. */
  deadLetter(queue: MessageQueue, message: Message, reason: DeathReason, failures: number): boolean;
  /** The queue was unused for as long as x-expires allows. */
  expire(queue: MessageQueue): void;
}

export class MessageQueue {
  readonly declaration: QueueDeclaration;
  /** The policy that counts for it. */
  policy: Policy | undefined;
  #settings: QueueSettings;
  readonly #host: QueueHost;
  readonly #ready: ReadyList;
  readonly #turns: Turns<QueueConsumer>;
  #sequence = 0;
  #unackedCount = 0;
  #getCount = 0;
  /** Consumers of a quorum queue that were cancelled, and still hold messages. */
  readonly #leaving = new Set<QueueConsumer>();
  #isDeleted = false;
  #isPumping = false;
  /** Messages were put back since consumers had their turn. */
  #hasReturned = false;
  #expiryTimer: ClockTimer | undefined;
  #unusedTimer: ClockTimer | undefined;

  /** `ordinal`: higher for queues that were declared later. */
  constructor(
    declaration: QueueDeclaration,
    settings: QueueSettings,
    host: QueueHost,
    readonly ordinal = 0,
  ) {
    this.declaration = declaration;
    this.#settings = settings;
    this.#host = host;
    const isQuorum = settings.type === 'quorum';
    this.#ready = new ReadyList(settings.maximumPriority, {
      returnsGoFirst: isQuorum,
      countsProperties: isQuorum && host.behaviour.quorumQueuesCountProperties,
      expiresEverywhere: isQuorum && host.behaviour.quorumQueuesPrioritise,
    });
    this.#turns = turnsOf(settings, host.behaviour);
    this.touch();
  }

  get name(): string {
    return this.declaration.name;
  }

  /** What it was declared with, and what a policy makes of that. */
  get settings(): QueueSettings {
    return this.#settings;
  }

  /** Messages that wait for a consumer. */
  get messageCount(): number {
    return this.#ready.length;
  }

  get unackedCount(): number {
    return this.#unackedCount;
  }

  /** On quorum queues a basic.get is a consumer until it is settled, and so is one that was cancelled. */
  get consumerCount(): number {
    if (this.settings.type === 'classic') return this.#turns.count;
    for (const consumer of this.#leaving) if (consumer.unackedCount === 0) this.#leaving.delete(consumer);
    return this.#turns.shownCount + this.#getCount + this.#leaving.size;
  }

  get isDeleted(): boolean {
    return this.#isDeleted;
  }

  /** Whether a consumer may come; an exclusive one only where no other is, and never to a single active consumer. */
  mayConsume(isExclusive: boolean): boolean {
    // RabbitMQ's quorum queues do not know exclusive consumers.
    if (this.settings.type === 'quorum') return true;
    if (this.settings.isSingleActiveConsumer) return !isExclusive;
    return isExclusive ? this.#turns.count === 0 : !this.#turns.some((consumer) => consumer.isExclusive);
  }

  get readyMessages(): Iterable<QueuedMessage> {
    return this.#ready;
  }

  // --- messages in ---------------------------------------------------------------------------------

  /**
   * Takes a message; false when the queue is full and its overflow says to reject. `earlierFailures`: of a dead letter,
   * in other queues; undefined: it comes from a publisher.
   */
  publish(message: Message, earlierFailures?: number): boolean {
    if (this.#isDeleted) return true;
    // RabbitMQ takes it that a new message changes the head only where there was none; with priorities that is wrong,
    // and what expired at the head stays until the next delivery.
    const hasPriorities = this.#hasPriorities;
    if (!hasPriorities) this.#dropExpired();
    const { overflow, messageTtl, type } = this.settings;
    const failures = earlierFailures ?? 0;
    // A quorum queue refuses by telling publishers to stop; dead letters are not told.
    const mayRefuse = type === 'classic' || earlierFailures === undefined;
    if (overflow !== 'drop-head' && mayRefuse && this.#isFullFor(message)) {
      if (overflow === 'reject-publish-dlx') this.#host.deadLetter(this, message, 'maxlen', failures);
      return false;
    }
    this.#host.memory.add(sizeOf(message));
    const queued: QueuedMessage = {
      message,
      sequence: this.#sequence++,
      priority: message.properties.priority ?? this.settings.defaultPriority,
      expiresAt: expiryOf(message, messageTtl, this.#host.clock),
      isRedelivered: false,
      deliveryCount: failures,
      earlierFailures: failures,
      requeueCount: 0,
      isHeldByGet: false,
      attempts: 0,
    };
    if (failures > 0 && this.settings.type === 'quorum') queued.isRedelivered = true;
    this.#ready.push(queued);
    this.#deliverReady();
    // Classic queues remember failures in other queues for what waits, not for what goes straight on to a consumer.
    if (queued.deliveryCount > 0 && queued.attempts === 0) queued.isRedelivered = true;
    const hasDropped = this.#dropOverflow();
    // After the consumers had their turn: a time to live of 0 means "deliver now or not at all".
    if (!hasPriorities || hasDropped || this.#ready.length === 1) this.#dropExpired();
    return true;
  }

  get #hasPriorities(): boolean {
    return this.settings.type === 'classic' && this.settings.maximumPriority > 0;
  }

  #isFullFor(message: Message): boolean {
    const { type, maximumLength = Infinity, maximumBytes = Infinity } = this.settings;
    // A quorum queue takes what makes it too long, and tells publishers then to stop.
    if (type === 'quorum') return this.#ready.length > maximumLength || this.#ready.byteLength > maximumBytes;
    return this.#ready.length >= maximumLength || this.#ready.byteLength + message.body.length > maximumBytes;
  }

  /** Answers whether anything was dropped. */
  #dropOverflow(): boolean {
    const { overflow, maximumLength = Infinity, maximumBytes = Infinity } = this.settings;
    if (overflow !== 'drop-head') return false;
    let hasDropped = false;
    while (this.#ready.length > maximumLength || this.#ready.byteLength > maximumBytes) {
      const dropped = this.#ready.shift();
      if (!dropped) break;
      this.#die(dropped, 'maxlen', 'maxlen');
      hasDropped = true;
    }
    return hasDropped;
  }

  // --- messages out --------------------------------------------------------------------------------

  /** Something changed: drops what is too much or too old, and gives the rest to consumers that can take it. */
  pump(): void {
    this.#turns.unblock();
    const isQuorum = this.settings.type === 'quorum';
    // What comes back to a classic queue that is full goes at once; in a quorum queue consumers have their turn first.
    if (!isQuorum && this.#hasReturned) this.#dropOverflow();
    if (this.#hasReturned || !this.#hasPriorities) this.#dropExpired();
    this.#hasReturned = false;
    this.#deliverReady();
    if (isQuorum) this.#dropOverflow();
  }

  /** Takes the next message without a consumer (basic.get). */
  get(noAck: boolean): { readonly queued: QueuedMessage; readonly messageCount: number } | undefined {
    this.touch();
    if (!this.#hasPriorities) this.#dropExpired();
    const queued = this.#ready.shift();
    if (queued) this.#handOver(queued, noAck);
    if (queued && !noAck) {
      queued.isHeldByGet = true;
      this.#getCount++;
    }
    // What comes to the head now may have expired there: the count that the client reads is without it, but for
    // quorum queues where the message is not settled yet.
    const messageCount = this.settings.type === 'quorum' && !noAck ? this.messageCount : undefined;
    this.#dropExpired();
    return queued && { queued, messageCount: messageCount ?? this.messageCount };
  }

  #deliverReady(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#ready.length > 0) {
        const consumer = this.#turns.next();
        const queued = consumer && this.#ready.shift();
        if (!queued) return;
        this.#handOver(queued, consumer.noAck);
        consumer.take(this, queued);
        this.#turns.took(consumer);
        this.#dropExpired();
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #handOver(queued: QueuedMessage, noAck: boolean): void {
    queued.attempts++;
    const { message, attempts } = queued;
    this.#host.events.tell('delivered', () => ({
      virtualHost: this.#host.name,
      queue: this.name,
      message,
      attempts,
    }));
    if (noAck) {
      this.#tellSettled(queued, 'ack', false);
    } else {
      this.#unackedCount++;
    }
  }

  // --- settlement ----------------------------------------------------------------------------------

  acknowledge(queued: QueuedMessage): void {
    this.#release(queued);
    this.#tellSettled(queued, 'ack', false);
  }

  /** reject or nack without requeue. */
  reject(queued: QueuedMessage, isFailure: boolean): void {
    this.#release(queued);
    queued.requeueCount++;
    if (isFailure) queued.deliveryCount++;
    this.#die(queued, 'reject', 'rejected');
  }

  /**
   * Puts messages back where they were. `isFailure`: the delivery counts against the limit of a quorum queue.
   * `isAsked`: the client settled it so; a quorum queue without a limit then publishes it anew.
   * The caller pumps when all of its messages are back.
   */
  requeue(queued: QueuedMessage, isFailure: boolean, isAsked: boolean): void {
    this.#release(queued);
    if (this.#isDeleted) {
      this.#host.memory.remove(sizeOf(queued.message));
      return;
    }
    queued.isRedelivered = true;
    queued.requeueCount++;
    if (isFailure) queued.deliveryCount++;
    const { deliveryLimit } = this.settings;
    if (deliveryLimit !== undefined && queued.deliveryCount > deliveryLimit) {
      this.#die(queued, 'delivery_limit', 'delivery_limit');
      return;
    }
    this.#hasReturned = true;
    if (isAsked && this.settings.type === 'quorum' && deliveryLimit === undefined) {
      // It is published anew, and RabbitMQ forgets the priority.
      queued.priority = this.settings.defaultPriority;
      this.#ready.push(queued);
    } else {
      this.#ready.putBack(queued);
    }
    this.#tellSettled(queued, 'requeue', false);
  }

  #release(queued: QueuedMessage): void {
    this.#unackedCount--;
    if (queued.isHeldByGet) this.#getCount--;
    queued.isHeldByGet = false;
  }

  #die(queued: QueuedMessage, outcome: Outcome, reason: DeathReason): void {
    const { message, deliveryCount } = queued;
    const isDeadLettered = !this.#isDeleted && this.#host.deadLetter(this, message, reason, deliveryCount);
    this.#tellSettled(queued, outcome, isDeadLettered);
  }

  #tellSettled(queued: QueuedMessage, outcome: Outcome, isDeadLettered: boolean): void {
    if (outcome !== 'requeue') this.#host.memory.remove(sizeOf(queued.message));
    this.#host.events.tell('settled', () => ({
      virtualHost: this.#host.name,
      queue: this.name,
      message: queued.message,
      attempts: queued.attempts,
      outcome,
      isDeadLettered,
    }));
  }

  // --- consumers -----------------------------------------------------------------------------------

  /** The caller answers the client, then pumps. */
  addConsumer(consumer: QueueConsumer): void {
    this.#turns.add(consumer);
    this.touch();
  }

  /** Answers whether the queue is now unused and was declared to go away then. */
  removeConsumer(consumer: QueueConsumer): boolean {
    const wasThere = this.#turns.remove(consumer);
    if (wasThere && this.settings.type === 'quorum') this.#leaving.add(consumer);
    this.touch();
    return wasThere && this.declaration.isAutoDelete && this.#turns.count === 0;
  }

  // --- life ----------------------------------------------------------------------------------------

  /** Drops what is ready; answers how many. */
  purge(): number {
    let bytes = 0;
    for (const { message } of this.#ready) bytes += sizeOf(message);
    const count = this.#ready.clear();
    this.#host.memory.remove(bytes);
    return count;
  }

  /** Ends the queue; answers how many messages went with it, and who consumed it. */
  delete(): { messageCount: number; consumers: readonly QueueConsumer[] } {
    this.#isDeleted = true;
    this.#expiryTimer?.cancel();
    this.#unusedTimer?.cancel();
    // RabbitMQ goes through the consumers of a channel in the order of their tags.
    const consumers = this.#turns.clear().toSorted((left, right) => (left.tag < right.tag ? -1 : 1));
    return { messageCount: this.purge(), consumers };
  }

  /** The queue was used: x-expires starts anew. */
  touch(): void {
    const { expires } = this.settings;
    if (expires === undefined || this.#isDeleted) return;
    this.#unusedTimer?.cancel();
    if (this.#turns.count > 0) return;
    this.#unusedTimer = this.#host.clock.after(expires, () => {
      this.#host.expire(this);
    });
  }

  /**
   * A policy came, changed or went. Limits count at once, and the time without use begins anew; messages that are there keep
   * the time to live that they came with.
   */
  reconfigure(settings: QueueSettings): void {
    // RabbitMQ's classic queues look at limits before they look at what is to be done above them.
    if (settings.type === 'classic') {
      this.#settings = { ...settings, overflow: this.#settings.overflow };
      this.#dropOverflow();
    }
    this.#settings = settings;
    this.#dropOverflow();
    this.#unusedTimer?.cancel();
    this.touch();
    this.pump();
  }

  // --- expiry --------------------------------------------------------------------------------------

  /** Only a message at the head expires, as on RabbitMQ; one behind it waits until it gets there. */
  #dropExpired(): void {
    if (this.#ready.nextExpiry() === undefined) return;
    const now = this.#host.clock.now();
    for (let expired = this.#ready.shiftExpired(now); expired; expired = this.#ready.shiftExpired(now)) {
      this.#die(expired, 'expired', 'expired');
    }
    const nextExpiry = this.#ready.nextExpiry();
    if (nextExpiry !== undefined) this.#scheduleExpiry(nextExpiry);
  }

  #scheduleExpiry(expiresAt: number): void {
    if (this.#isDeleted || (this.#expiryTimer && this.#expiryTimer.due <= expiresAt)) return;
    this.#expiryTimer?.cancel();
    this.#expiryTimer = this.#host.clock.at(expiresAt, () => {
      this.#expiryTimer = undefined;
      this.#dropExpired();
      this.pump();
    });
  }
}

function turnsOf(
  { type, isSingleActiveConsumer: isSingle }: QueueSettings,
  { activeConsumersYield }: Behaviour,
): Turns<QueueConsumer> {
  if (type === 'classic') return new ConsumerTurns({ isSingle });
  return isSingle ? new SingleActiveTurns(activeConsumersYield) : new ConsumerTurns({ leavesWhenFull: true });
}

/** The earlier of the queue's and the message's own time to live. */
function expiryOf(message: Message, messageTtl: number | undefined, clock: BrokerClock): number | undefined {
  const { expiration } = message.properties;
  if (expiration === undefined) return messageTtl === undefined ? undefined : clock.now() + messageTtl;
  return clock.now() + Math.min(Number(expiration), messageTtl ?? Infinity);
}
