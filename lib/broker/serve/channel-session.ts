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
import { channelRefusal } from '../store/reply-error.js';
import type { VirtualHost } from '../store/virtual-host.js';
import { ConfirmWriter } from './confirm-writer.js';
import type { ConnectionPort } from './connection-port.js';
import type { Consumer, DeliveryPort } from './consumer.js';
import { nodeCrypto } from './node-crypto.js';

export interface UnackedDelivery {
  readonly tag: number;
  readonly queue: MessageQueue;
  readonly queued: QueuedMessage;
  /** Undefined: a basic.get. */
  readonly consumer: Consumer | undefined;
}

/** What a transaction does when it is committed, and the deliveries it gives back when it is rolled back. */
export interface Transaction {
  /** Each answers whether it was done in full: a full queue may refuse a message. */
  readonly steps: (() => boolean)[];
  readonly settled: UnackedDelivery[];
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
  /** The prefetch of the whole channel; 0 is no limit. */
  channelPrefetch = 0;
  confirms: ConfirmWriter | undefined;
  transaction: Transaction | undefined;
  /** What an empty queue name means. */
  lastDeclaredQueue: string | undefined;
  /** The consumer of amq.rabbitmq.reply-to. */
  directReply: { readonly consumerTag: string; readonly address: string } | undefined;
  #lastDeliveryTag = 0;
  /** Unacknowledged messages that consumers hold, for the channel's prefetch. */
  #heldByConsumers = 0;

  constructor(
    readonly connection: ConnectionPort,
    readonly number: number,
  ) {}

  get virtualHost(): VirtualHost {
    return this.connection.virtualHost;
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
    return this.state === 'open' && !this.connection.isCongested;
  }

  get hasRoom(): boolean {
    return this.channelPrefetch === 0 || this.#heldByConsumers < this.channelPrefetch;
  }

  deliver(consumer: Consumer, queue: MessageQueue, queued: QueuedMessage): void {
    const deliveryTag = this.hold(queue, queued, consumer.noAck, consumer);
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
      this.#heldByConsumers++;
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

  /** Gives deliveries of a rolled back transaction back to what is unacknowledged. */
  restoreUnacked(deliveries: readonly UnackedDelivery[]): void {
    const all = [...this.unacked.values(), ...deliveries].sort((left, right) => left.tag - right.tag);
    this.unacked = new Map(all.map((delivery) => [delivery.tag, delivery]));
  }

  /** The prefetch that deliveries used is free again; then their queues may go on. */
  release(deliveries: readonly UnackedDelivery[]): void {
    for (const { consumer } of deliveries) {
      if (!consumer) continue;
      consumer.unackedCount--;
      this.#heldByConsumers--;
    }
  }

  /** Lets the queues of these deliveries go on, and all queues of this channel where its prefetch was the limit. */
  pumpAfter(deliveries: readonly UnackedDelivery[]): void {
    const [first] = deliveries;
    if (deliveries.length === 1) first?.queue.pump();
    else for (const queue of new Set(deliveries.map((delivery) => delivery.queue))) queue.pump();
    if (this.channelPrefetch > 0) this.pump();
  }

  /** Lets the queues that this channel consumes go on. */
  pump(): void {
    for (const { queue } of this.consumers.values()) queue.pump();
  }

  /** Puts deliveries back into their queues, where they were. `isFailure`: see MessageQueue.requeue. */
  requeue(deliveries: readonly UnackedDelivery[], isFailure: boolean, isAsked = true): void {
    const isOfQuorum = ({ queue }: UnackedDelivery): boolean => queue.settings.type === 'quorum';
    for (const delivery of deliveries.toReversed()) {
      if (!isOfQuorum(delivery)) delivery.queue.requeue(delivery.queued, isFailure, isAsked);
    }
    // Quorum queues put them one behind the other, before all that waits.
    for (const { queue, queued } of deliveries.filter(isOfQuorum)) queue.requeue(queued, isFailure, isAsked);
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

  /** Ends the channel: consumers go, unacknowledged messages return to their queues. */
  end(state: 'closing' | 'closed'): void {
    if (this.state !== 'open') {
      this.state = state;
      return;
    }
    this.state = state;
    this.confirms?.flush();
    this.confirms?.stop();
    if (this.directReply) this.virtualHost.directReplies.delete(this.directReply.address);
    if (this.transaction) {
      this.virtualHost.memory.remove(this.transaction.heldBytes);
      this.restoreUnacked(this.transaction.settled);
    }
    this.transaction = undefined;
    const deliveries = this.takeAllUnacked();
    this.release(deliveries);
    // Consumers go first: with the last one its queue may go, and what it held is not dead-lettered then.
    for (const consumer of [...this.consumers.values()]) this.removeConsumer(consumer);
    this.requeue(deliveries, true, false);
    for (const queue of new Set(deliveries.map((delivery) => delivery.queue))) queue.pump();
  }
}

/** A name that the broker makes up, as `amq.gen-JzTY20BRgKO-HjmUJj0wLg`. */
export function generatedName(prefix: string): string {
  return `${prefix}${nodeCrypto().randomBytes(16).toString('base64url')}`;
}
