/**
 * One open channel: its consumers, what is unacknowledged on it, its modes, and how it writes.
 *
 *   state: open -> closing (the broker sent channel.close) -> closed
 *          open -> closed  (the client closed, or the connection is gone)
 *
 * Must not know methods on their way in; the handlers beside this file do.
 */
import {
  writeContent,
  writeMethod,
  type ContentMethod,
  type MethodInputs,
  type MethodName,
} from '../../amqp/protocol/index.js';
import { withDeliveryCounts, type Message, type QueuedMessage } from '../store/message.js';
import type { MessageQueue } from '../store/message-queue.js';
import type { QueueType } from '../store/queue-arguments.js';
import { channelRefusal } from '../store/reply-error.js';
import type { VirtualHost } from '../store/virtual-host.js';
import { ConfirmWriter } from './confirm-writer.js';
import type { ConnectionPort } from './connection-port.js';
import type { Consumer, DeliveryPort } from './consumer.js';
import { nodeCrypto } from './node-crypto.js';
import { inOrderOfReturn, portionsOf, type Portion, type Settlement, type UnackedDelivery } from './unacked.js';

/** What a transaction does when it is committed: publishes come before settlements, as on RabbitMQ. */
export interface Transaction {
  /** Each answers whether it was done in full: a full queue may refuse a message. */
  readonly publishes: (() => boolean)[];
  readonly settlements: Settlement[];
  /** What its messages hold of the broker's memory. */
  heldBytes: number;
}

export class ChannelSession implements DeliveryPort {
  state: 'open' | 'closing' | 'closed' = 'open';
  readonly consumers = new Map<string, Consumer>();
  /** In rising order of their tags. */
  unacked = new Map<number, UnackedDelivery>();
  /** The prefetch of consumers to come; 0 is no limit. */
  consumerPrefetch = 0;
  confirms: ConfirmWriter | undefined;
  transaction: Transaction | undefined;
  /** What an empty queue name means. */
  lastDeclaredQueue: string | undefined;
  /** The consumer of amq.rabbitmq.reply-to. */
  directReply: { readonly consumerTag: string; readonly address: string } | undefined;
  #lastDeliveryTag = 0;
  #consumerCount = 0;
  /** The quorum queues that it published to. */
  readonly #publishedTo = new WeakSet<MessageQueue>();
  /** Queues may give it messages: until all have been told that it ends. */
  #canTake = true;
  /** Its connection is going: it takes what queues still give it, and writes nothing. */
  #isSilent = false;
  #channelPrefetch = 0;
  /** What counts against the prefetch of the channel, as RabbitMQ counts it (rabbit_limiter). */
  #volume = 0;

  constructor(
    readonly connection: ConnectionPort,
    readonly number: number,
  ) {}

  get virtualHost(): VirtualHost {
    return this.connection.virtualHost;
  }

  /** A channel of RabbitMQ announces itself to a quorum queue with its first publish there, and waits for the answer. */
  isNewTo(queue: MessageQueue): boolean {
    if (queue.settings.type !== 'quorum' || this.#publishedTo.has(queue)) return false;
    this.#publishedTo.add(queue);
    return true;
  }

  /** The next number for a consumer. */
  nextConsumerOrdinal(): number {
    return this.#consumerCount++;
  }

  // --- writing -------------------------------------------------------------------------------------

  send<Name extends MethodName>(name: Name, fields: MethodInputs[Name]): void {
    this.confirms?.flush();
    writeMethod(this.connection.writer, this.number, name, fields, 0);
    this.connection.requestFlush();
  }

  sendMessage<Name extends ContentMethod>(name: Name, fields: MethodInputs[Name], message: Message): void {
    const { writer, frameMax } = this.connection;
    writeContent(writer, this.number, name, fields, message.encodedProperties, message.body, frameMax);
    this.connection.requestFlush();
  }

  selectConfirms(): void {
    this.confirms ??= new ConfirmWriter(this.connection.writer, this.number);
  }

  // --- names ---------------------------------------------------------------------------------------

  /** The queue that a method names; an empty name is the one declared last on this channel. */
  queueName(name: string): string {
    if (name !== '') return name;
    if (this.lastDeclaredQueue !== undefined) return this.lastDeclaredQueue;
    throw channelRefusal('notFound', 'no previously declared queue');
  }

  /** A queue that this connection may use. */
  queue(name: string): MessageQueue {
    return this.virtualHost.queue(this.queueName(name), this.connection.id);
  }

  // --- deliveries ----------------------------------------------------------------------------------

  get canSend(): boolean {
    return this.#canTake && (this.#isSilent || !this.connection.isCongested);
  }

  get hasRoom(): boolean {
    return this.#channelPrefetch === 0 || this.#volume < this.#channelPrefetch;
  }

  /** The prefetch of the whole channel; 0 is no limit. */
  get channelPrefetch(): number {
    return this.#channelPrefetch;
  }

  /** All that is unacknowledged counts when a limit comes, also what was got; when it changes, the count goes on. */
  set channelPrefetch(limit: number) {
    if (limit === 0) this.#volume = 0;
    else if (this.#channelPrefetch === 0) this.#volume = this.unacked.size;
    this.#channelPrefetch = limit;
  }

  deliver(consumer: Consumer, queue: MessageQueue, queued: QueuedMessage): void {
    const deliveryTag = this.hold(queue, queued, consumer.noAck, consumer);
    if (this.#isSilent) return;
    const { exchange, routingKey } = queued.message;
    const fields = { consumerTag: consumer.tag, deliveryTag, redelivered: queued.isRedelivered, exchange, routingKey };
    this.sendMessage('basic.deliver', fields, this.deliverable(queue, queued));
  }

  /** The message as it goes out: a quorum queue tells how often it was delivered before. `isGet`: to a basic.get. */
  deliverable(queue: MessageQueue, queued: QueuedMessage, isGet = false): Message {
    if (queue.settings.type !== 'quorum') return queued.message;
    return withDeliveryCounts(queued, this.virtualHost.behaviour.countsAcquisitions, isGet);
  }

  /** A message that comes from no queue (direct reply-to). */
  deliverDirectly(consumerTag: string, message: Message): void {
    if (this.state !== 'open') return;
    const deliveryTag = ++this.#lastDeliveryTag;
    const { exchange, routingKey } = message;
    this.sendMessage('basic.deliver', { consumerTag, deliveryTag, exchange, routingKey }, message);
  }

  /** Gives a message its delivery tag, and remembers it until it is settled. */
  hold(queue: MessageQueue, queued: QueuedMessage, noAck: boolean, consumer: Consumer | undefined): number {
    const tag = ++this.#lastDeliveryTag;
    if (noAck) return tag;
    this.unacked.set(tag, { tag, queue, queued, consumer });
    if (consumer) {
      consumer.unackedCount++;
      if (this.#channelPrefetch > 0 && queue.settings.type === 'classic') this.#volume++;
    }
    return tag;
  }

  /**
   * Takes deliveries out of what is unacknowledged. `multiple`: all up to the tag, or all for tag 0.
   * A tag that is not there is 406, as on RabbitMQ.
   */
  takeUnacked(tag: number, isMultiple: boolean): UnackedDelivery[] {
    if (!isMultiple || tag !== 0) {
      const delivery = this.unacked.get(tag);
      if (!delivery) throw channelRefusal('preconditionFailed', `unknown delivery tag ${tag}`);
      if (!isMultiple) {
        this.unacked.delete(tag);
        return [delivery];
      }
    }
    const taken: UnackedDelivery[] = [];
    for (const delivery of this.unacked.values()) {
      if (tag !== 0 && delivery.tag > tag) break;
      taken.push(delivery);
      this.unacked.delete(delivery.tag);
    }
    return taken;
  }

  /** Takes all deliveries, in the order of their tags. */
  takeAllUnacked(): UnackedDelivery[] {
    const all = [...this.unacked.values()];
    this.unacked.clear();
    return all;
  }

  /** Gives the deliveries of a rolled back transaction back to what is unacknowledged. */
  restoreUnacked(settlements: readonly Settlement[]): void {
    const settled = settlements.flatMap(({ deliveries }) => deliveries);
    const all = [...this.unacked.values(), ...settled].sort((left, right) => left.tag - right.tag);
    this.unacked = new Map(all.map((delivery) => [delivery.tag, delivery]));
  }

  /**
   * Settles deliveries in the portions, and in the order, that RabbitMQ does: the prefetch that a portion used is free
   * again, `action` does with it what is to be done, and its queue goes on.
   */
  settle(deliveries: readonly UnackedDelivery[], action: (portion: Portion) => void): void {
    for (const portion of portionsOf(deliveries)) {
      for (const { consumer } of portion.deliveries) if (consumer) consumer.unackedCount--;
      action(portion);
      portion.queue.pump();
    }
    this.#releaseRoom(deliveries);
    if (this.#channelPrefetch > 0) this.pump();
  }

  #releaseRoom(deliveries: readonly UnackedDelivery[]): void {
    if (this.#volume === 0) return;
    // What was got goes on to count, since RabbitMQ 3.10 does not count it here.
    this.#volume -= deliveries.filter(({ consumer }) => consumer !== undefined).length;
  }

  /** Lets the queues that this channel consumes go on. */
  pump(): void {
    for (const { queue } of this.consumers.values()) queue.pump();
  }

  /** Puts deliveries of one queue back, where they were. `isFailure`, `isAsked`: see MessageQueue.requeue. */
  requeue({ queue, deliveries }: Portion, isFailure: boolean, isAsked = true): void {
    // A quorum queue puts them one behind the other, before all that waits.
    const inOrder = queue.settings.type === 'quorum' ? deliveries : deliveries.toReversed();
    for (const { queued } of inOrder) queue.requeue(queued, isFailure, isAsked);
  }

  // --- the end -------------------------------------------------------------------------------------

  /** Removes a consumer; its queue goes too when it was the last and the queue is auto-delete. */
  removeConsumer(consumer: Consumer): void {
    this.consumers.delete(consumer.tag);
    if (consumer.queue.removeConsumer(consumer)) this.virtualHost.deleteQueue(consumer.queue);
    else consumer.queue.pump();
  }

  cancelled(consumer: Consumer): void {
    this.consumers.delete(consumer.tag);
    if (this.state !== 'open' || !this.connection.hasCapability('consumer_cancel_notify')) return;
    this.send('basic.cancel', { consumerTag: consumer.tag, noWait: true });
  }

  /** From now on it writes nothing: its connection is going. */
  silence(): void {
    this.#isSilent = true;
  }

  /** Ends the channel: consumers go, unacknowledged messages return to their queues. */
  end(state: 'closing' | 'closed'): void {
    const wasOpen = this.state === 'open';
    this.state = state;
    if (!wasOpen) return;
    this.confirms?.flush();
    this.confirms?.stop();
    if (this.directReply) this.virtualHost.directReplies.delete(this.directReply.address);
    if (this.transaction) {
      this.virtualHost.memory.remove(this.transaction.heldBytes);
      this.restoreUnacked(this.transaction.settlements);
    }
    this.transaction = undefined;
    // RabbitMQ tells the classic queues that the channel consumes one after the other, in an order that it leaves to
    // chance (that of their process ids); here the youngest comes first. What comes back to one may go on to another,
    // which does not know yet, and delivers it here.
    for (const queue of this.#consumedQueues('classic')) this.#leave(queue);
    this.#canTake = false;
    for (const queue of this.#consumedQueues('quorum')) this.#leave(queue);
    for (const queue of new Set([...this.unacked.values()].map((delivery) => delivery.queue))) this.#leave(queue);
  }

  #consumedQueues(type: QueueType): MessageQueue[] {
    const queues = new Set([...this.consumers.values()].map(({ queue }) => queue));
    return [...queues]
      .filter(({ settings }) => settings.type === type)
      .sort((left, right) => right.ordinal - left.ordinal);
  }

  /** With the last consumer a queue may go, and what it held is not dead-lettered then. */
  #leave(queue: MessageQueue): void {
    const held = [...this.unacked.values()].filter((delivery) => delivery.queue === queue);
    for (const { tag, consumer } of held) {
      this.unacked.delete(tag);
      if (consumer) consumer.unackedCount--;
    }
    this.#releaseRoom(held);
    let isUnused = false;
    for (const consumer of [...this.consumers.values()]) {
      if (consumer.queue !== queue) continue;
      this.consumers.delete(consumer.tag);
      isUnused = queue.removeConsumer(consumer) || isUnused;
    }
    if (isUnused) this.virtualHost.deleteQueue(queue);
    const isOfQuorum = queue.settings.type === 'quorum';
    const { returnsByAgeOfConsumers } = this.virtualHost.behaviour;
    const deliveries = isOfQuorum ? inOrderOfReturn(held, returnsByAgeOfConsumers) : held;
    this.requeue({ queue, deliveries }, true, false);
    if (!queue.isDeleted) queue.pump();
  }
}

/** A name that the broker makes up, as `amq.gen-JzTY20BRgKO-HjmUJj0wLg`. */
export function generatedName(prefix: string): string {
  return `${prefix}${nodeCrypto().randomBytes(16).toString('base64url')}`;
}
