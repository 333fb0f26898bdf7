/**
 * One queue: messages that are ready, consumers that take turns, limits and expiry.
 *
 * Must not know exchanges, channels or sockets: whoever consumes implements `QueueConsumer`, whoever owns the queue
 * implements `QueueHost`.
 */
import type { BrokerClock, ClockTimer } from '../clock.js';
import type { BrokerEvents, Outcome } from '../events.js';
import type { Behaviour } from './behaviour.js';
import { ConsumerTurns, type TurnTaker } from './consumer-turns.js';
import type { DeathReason, Message, QueuedMessage } from './message.js';
import type { QueueDeclaration, QueueSettings } from './queue-arguments.js';
import { ReadyList } from './ready-list.js';

export interface QueueConsumer extends TurnTaker {
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
  /** Sends a dead message on; answers whether a copy was made. `wasDelivered`: somebody had it before. */
  deadLetter(queue: MessageQueue, message: Message, reason: DeathReason, wasDelivered: boolean): boolean;
  /** The queue was unused for as long as x-expires allows. */
  expire(queue: MessageQueue): void;
}

export class MessageQueue {
  readonly declaration: QueueDeclaration;
  readonly settings: QueueSettings;
  readonly #host: QueueHost;
  readonly #ready: ReadyList;
  readonly #turns: ConsumerTurns<QueueConsumer>;
  #sequence = 0;
  #unackedCount = 0;
  #isDeleted = false;
  #isPumping = false;
  #expiryTimer: ClockTimer | undefined;
  #unusedTimer: ClockTimer | undefined;

  constructor(declaration: QueueDeclaration, settings: QueueSettings, host: QueueHost) {
    this.declaration = declaration;
    this.settings = settings;
    this.#host = host;
    this.#ready = new ReadyList(settings.maximumPriority);
    this.#turns = new ConsumerTurns(settings.isSingleActiveConsumer);
    this.touch();
  }

  get name(): string {
    return this.declaration.name;
  }

  /** Messages that wait for a consumer. */
  get messageCount(): number {
    return this.#ready.length;
  }

  get unackedCount(): number {
    return this.#unackedCount;
  }

  get consumerCount(): number {
    return this.#turns.count;
  }

  get isDeleted(): boolean {
    return this.#isDeleted;
  }

  get hasExclusiveConsumer(): boolean {
    return this.#turns.some((consumer) => consumer.isExclusive);
  }

  get readyMessages(): Iterable<QueuedMessage> {
    return this.#ready;
  }

  // --- messages in ---------------------------------------------------------------------------------

  /** Takes a message; false when the queue is full and its overflow says to reject. */
  publish(message: Message, isRedelivered = false): boolean {
    if (this.#isDeleted) return true;
    this.#dropExpired();
    const { overflow, maximumLength, maximumBytes, messageTtl } = this.settings;
    if (overflow !== 'drop-head' && this.#isFullFor(message)) {
      if (overflow === 'reject-publish-dlx') this.#host.deadLetter(this, message, 'maxlen', isRedelivered);
      return false;
    }
    this.#ready.push({
      message,
      sequence: this.#sequence++,
      priority: message.properties.priority ?? 0,
      expiresAt: expiryOf(message, messageTtl, this.#host.clock),
      isRedelivered,
      deliveryCount: 0,
      requeueCount: 0,
      attempts: 0,
    });
    this.#deliverReady();
    if (maximumLength !== undefined || maximumBytes !== undefined) this.#dropOverflow();
    // After the consumers had their turn: a time to live of 0 means "deliver now or not at all".
    this.#dropExpired();
    return true;
  }

  #isFullFor(message: Message): boolean {
    const { maximumLength = Infinity, maximumBytes = Infinity } = this.settings;
    return this.#ready.length >= maximumLength || this.#ready.byteLength + message.body.length > maximumBytes;
  }

  #dropOverflow(): void {
    const { maximumLength = Infinity, maximumBytes = Infinity } = this.settings;
    while (this.#ready.length > maximumLength || this.#ready.byteLength > maximumBytes) {
      const dropped = this.#ready.shift();
      if (!dropped) return;
      this.#die(dropped, 'maxlen', 'maxlen');
    }
  }

  // --- messages out --------------------------------------------------------------------------------

  /** Gives ready messages to consumers that can take them. */
  pump(): void {
    this.#dropExpired();
    this.#deliverReady();
  }

  /** Takes the next message without a consumer (basic.get). */
  get(noAck: boolean): QueuedMessage | undefined {
    this.touch();
    this.#dropExpired();
    const queued = this.#ready.shift();
    if (queued) this.#handOver(queued, noAck);
    return queued;
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
    this.#unackedCount--;
    this.#tellSettled(queued, 'ack', false);
  }

  /** reject or nack without requeue. */
  reject(queued: QueuedMessage): void {
    this.#unackedCount--;
    this.#die(queued, 'reject', 'rejected');
  }

  /**
   * Puts messages back where they were. `isFailure`: the delivery counts against the limit of a quorum queue.
   * The caller pumps when all of its messages are back.
   */
  requeue(queued: QueuedMessage, isFailure: boolean): void {
    this.#unackedCount--;
    if (this.#isDeleted) return;
    queued.isRedelivered = true;
    queued.requeueCount++;
    if (isFailure) queued.deliveryCount++;
    const { deliveryLimit } = this.settings;
    if (deliveryLimit !== undefined && queued.deliveryCount > deliveryLimit) {
      this.#die(queued, 'delivery_limit', 'delivery_limit');
      return;
    }
    this.#ready.putBack(queued);
    this.#tellSettled(queued, 'requeue', false);
  }

  #die(queued: QueuedMessage, outcome: Outcome, reason: DeathReason): void {
    const wasDelivered = queued.isRedelivered || queued.attempts > 0;
    const isDeadLettered = !this.#isDeleted && this.#host.deadLetter(this, queued.message, reason, wasDelivered);
    this.#tellSettled(queued, outcome, isDeadLettered);
  }

  #tellSettled(queued: QueuedMessage, outcome: Outcome, isDeadLettered: boolean): void {
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
    this.touch();
    return wasThere && this.declaration.isAutoDelete && this.#turns.count === 0;
  }

  // --- life ----------------------------------------------------------------------------------------

  /** Drops what is ready; answers how many. */
  purge(): number {
    return this.#ready.clear();
  }

  /** Ends the queue; answers how many messages went with it, and who consumed it. */
  delete(): { messageCount: number; consumers: readonly QueueConsumer[] } {
    this.#isDeleted = true;
    this.#expiryTimer?.cancel();
    this.#unusedTimer?.cancel();
    return { messageCount: this.#ready.clear(), consumers: this.#turns.clear() };
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

  // --- expiry --------------------------------------------------------------------------------------

  /** Only the message at the head expires, as on RabbitMQ; one behind it waits until it gets there. */
  #dropExpired(): void {
    let head = this.#ready.peek();
    if (head?.expiresAt === undefined) return;
    const now = this.#host.clock.now();
    while (head?.expiresAt !== undefined && head.expiresAt <= now) {
      this.#ready.shift();
      this.#die(head, 'expired', 'expired');
      head = this.#ready.peek();
    }
    if (head?.expiresAt !== undefined) this.#scheduleExpiry(head.expiresAt);
  }

  #scheduleExpiry(expiresAt: number): void {
    if (this.#isDeleted || (this.#expiryTimer && this.#expiryTimer.due <= expiresAt)) return;
    this.#expiryTimer?.cancel();
    this.#expiryTimer = this.#host.clock.at(expiresAt, () => {
      this.#expiryTimer = undefined;
      this.pump();
    });
  }
}

/** The earlier of the queue's and the message's own time to live. */
function expiryOf(message: Message, messageTtl: number | undefined, clock: BrokerClock): number | undefined {
  const { expiration } = message.properties;
  if (expiration === undefined) return messageTtl === undefined ? undefined : clock.now() + messageTtl;
  return clock.now() + Math.min(Number(expiration), messageTtl ?? Infinity);
}
