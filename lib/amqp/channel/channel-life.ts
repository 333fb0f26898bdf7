/**
 * One life of a channel: from channel.open to its end. It never comes back; recovery opens another.
 *
 *   opening --open-ok--> open --close--> closing --close-ok--> ended
 *       \__________________/____ closed by the broker, connection gone ___/
 *
 * Owns the order of synchronous methods and their replies, the assembly of content, the confirm window and the settlements.
 * Must not know epochs, topology or what a user holds.
 */
import { deliverEvents, publishEvents, type ChannelIdentity } from '../diagnostics.js';
import {
  ChannelClosedByBrokerError,
  ChannelClosedError,
  ConsumerTimeoutError,
  FrameError,
  MessageTooLargeError,
  UnexpectedFrameError,
  UnroutableError,
  type AmqpError,
  type ConnectionError,
} from '../errors.js';
import { ordinaryClose, type ChannelSink, type CloseReason, type ConnectionLife } from '../connection/index.js';
import {
  ByteReader,
  ByteWriter,
  failedMethodName,
  methodIds,
  PublishEncoder,
  readMethod,
  writeMethod,
  type Method,
  type MethodFields,
  type MethodInputs,
  type MethodName,
} from '../protocol/index.js';
import { CommitGate } from './commit-gate.js';
import { ConfirmWindow, type UnconfirmedPublish } from './confirm-window.js';
import {
  Consumption,
  describeDelivery,
  type ConsumedChannel,
  type ConsumptionListener,
  type LifeConsumer,
} from './consumption.js';
import { ContentAssembly } from './content-assembly.js';
import { Delivery, ReturnedMessage } from './delivery.js';
import { PendingCalls } from './pending-calls.js';
import { Settlements, type SettledChannel } from './settlements.js';
import type { OutgoingMessage } from './outgoing-message.js';
import { tellOfPublish, WatchedPublish } from './publish-diagnostics.js';

export interface ChannelLifeListener extends ConsumptionListener {
  /** A message published without a promise came back. */
  onReturn(message: ReturnedMessage): void;
  /** Called exactly once, after pending methods and publishes were told. */
  onEnd(error: AmqpError): void;
  /** A delivery of this life was settled too late. */
  onStaleSettlement(): void;
}

/**
 * Header of mandatory publishes on channels with confirms: the sequence number, which comes back with a basic.return
 * and tells which of many equal publishes it is.
 */
export const sequenceHeader = 'x-leveret-sequence';

type State = 'opening' | 'open' | 'closing' | 'ended';

export class ChannelLife implements ChannelSink, SettledChannel, ConsumedChannel {
  readonly connection: ConnectionLife;
  readonly number: number;
  readonly identity: ChannelIdentity;
  readonly settlements: Settlements;
  /** Closed while a transaction is being committed: nothing may be sent then. */
  readonly committing = new CommitGate();
  /** Set by confirm.select. */
  confirms: ConfirmWindow | undefined;
  /** True once anything was published or settled since the channel was opened, or since this was last reset. */
  hasWork = false;

  #state: State = 'opening';
  #end: AmqpError | undefined;
  #listener: ChannelLifeListener | undefined;
  readonly #calls = new PendingCalls<Method | Delivery>();
  readonly #consumption: Consumption;
  readonly #content: ContentAssembly;
  readonly #encoder: PublishEncoder;
  readonly #reader = new ByteReader();

  private constructor(connection: ConnectionLife, tagOffset: number) {
    this.connection = connection;
    this.number = connection.attach(this);
    this.identity = { connection: connection.identity, number: this.number };
    this.settlements = new Settlements(this, tagOffset);
    this.#content = new ContentAssembly(connection.parameters.maxMessageSize);
    this.#encoder = new PublishEncoder(connection.writer, this.number, connection.tuning.frameMax);
    this.#consumption = new Consumption(this, this.#content, () => this.#listener);
  }

  /** Opens a channel. `tagOffset`: see Settlements. Throws NoFreeChannelsError when all are in use. */
  static async open(connection: ConnectionLife, tagOffset = 0): Promise<ChannelLife> {
    const life = new ChannelLife(connection, tagOffset);
    await life.#open();
    return life;
  }

  /** As `open`, for one who calls synchronous methods without waiting for channel.open-ok. */
  static start(connection: ConnectionLife): ChannelLife {
    const life = new ChannelLife(connection, 0);
    // Whatever ends it is told to every call behind it.
    life.#open().catch(() => undefined);
    return life;
  }

  async #open(): Promise<void> {
    await this.call('channel.open', {});
    if (this.#state === 'opening') this.#state = 'open';
  }

  onStaleSettlement(): void {
    this.#listener?.onStaleSettlement();
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Why the life ended; undefined while it has not. */
  get endedBy(): AmqpError | undefined {
    return this.#end;
  }

  listen(listener: ChannelLifeListener): void {
    this.#listener = listener;
    const error = this.#end;
    if (error) {
      queueMicrotask(() => {
        listener.onEnd(error);
      });
    }
  }

  // --- synchronous methods ------------------------------------------------------------------------

  /**
   * Sends a synchronous method and waits for its reply. Calls may be pipelined: the broker answers in order.
   * Rejects with ArgumentError (nothing sent), TimeoutError, or what ended the channel.
   */
  async call<Name extends MethodName>(
    name: Name,
    fields: MethodInputs[Name],
    limit = this.connection.parameters.methodTimeout,
  ): Promise<Method> {
    return (await this.#request(name, fields, limit)) as Method;
  }

  /** basic.get: a delivery, or null when the queue is empty. */
  async get(queue: string, isNoAck: boolean): Promise<Delivery | null> {
    const limit = this.connection.parameters.methodTimeout;
    const reply = await this.#request('basic.get', { queue, noAck: isNoAck }, limit, isNoAck);
    return reply instanceof Delivery ? reply : null;
  }

  #request<Name extends MethodName>(
    name: Name,
    fields: MethodInputs[Name],
    limit: number,
    isNoAck = false,
  ): Promise<Method | Delivery> {
    return new Promise<Method | Delivery>((resolve, reject) => {
      if (this.#end) throw this.#end;
      if (this.#state === 'closing' && name !== 'channel.close') throw new ChannelClosedError();
      this.connection.send(this.number, name, fields);
      const consumerTag = 'consumerTag' in fields ? fields.consumerTag : undefined;
      this.#calls.add(name, { limit, isNoAck, consumerTag, resolve, reject });
    });
  }

  #answer(reply: Method | Delivery, name: MethodName): void {
    const consumerTag = reply instanceof Delivery ? undefined : consumerTagOf(reply);
    if (!this.#calls.expects(name, consumerTag)) {
      throw new UnexpectedFrameError(`${name} on channel ${String(this.number)}, which nobody waits for`);
    }
    if (!this.#calls.answer(reply, name, consumerTag)) this.#undo(reply);
  }

  /** An answer that came when its caller had given up: what it gave is given back. */
  #undo(reply: Method | Delivery): void {
    if (reply instanceof Delivery) {
      if (!reply.isSettled) reply.nack();
    } else if (reply.name === 'channel.open-ok') {
      void this.close();
    } else if (reply.name === 'basic.consume-ok') {
      this.#consumption.endGhost(reply.fields.consumerTag);
    }
  }

  // --- transactions -------------------------------------------------------------------------------

  /** tx.select */
  async selectTransactions(): Promise<void> {
    this.hasWork = false;
    this.settlements.beginTransaction();
    await this.call('tx.select', {});
  }

  /** tx.commit. `committing` is closed until its answer. */
  async commit(): Promise<void> {
    this.hasWork = false;
    this.settlements.beginTransaction();
    const committed = this.call('tx.commit', {});
    this.committing.close();
    await committed;
  }

  /** tx.rollback */
  async rollBack(): Promise<void> {
    this.hasWork = false;
    this.settlements.rollBack();
    await this.call('tx.rollback', {});
  }

  // --- publishing ---------------------------------------------------------------------------------

  /** confirm.select */
  async selectConfirms(): Promise<void> {
    // Numbering starts with the first publish after the select was sent, so the window must be there at once.
    const window = new ConfirmWindow();
    const selected = this.call('confirm.select', {});
    this.confirms ??= window;
    await selected;
  }

  /**
   * Sends a message; its outcome goes to `publish` where the channel has confirms. Throws ArgumentError when it cannot
   * be encoded, nothing being sent, and ChannelClosedError or what ended the channel when it is not open.
   */
  publish(message: OutgoingMessage, publish: UnconfirmedPublish): void {
    if (this.#state !== 'open') throw this.#end ?? new ChannelClosedError();
    const { confirms } = this;
    const told = publishEvents.hasSubscribers ? tellOfPublish(this.identity, message) : undefined;
    let properties = told?.properties ?? message.properties;
    if (message.isMandatory && confirms) {
      const headers = { ...properties.headers, [sequenceHeader]: confirms.nextSequenceNumber };
      properties = { ...properties, headers };
    }
    this.#encoder.write(message.exchange, message.routingKey, message.isMandatory, properties, message.body);
    this.hasWork = true;
    confirms?.add(told ? new WatchedPublish(publish, told) : publish);
    this.connection.scheduleFlush();
  }

  // --- consuming ----------------------------------------------------------------------------------

  /** Throws ArgumentError where `consume` would, for one who has something else to send before it. */
  checkConsume(fields: MethodInputs['basic.consume']): void {
    writeMethod(new ByteWriter(512), this.number, 'basic.consume', fields, this.connection.tuning.frameMax);
  }

  /** basic.consume with a tag that is free on this channel. */
  consume(consumer: LifeConsumer, fields: MethodInputs['basic.consume']): Promise<void> {
    return this.#consumption.start(consumer, fields);
  }

  /**
   * basic.cancel, when the consume is answered; deliveries that are on their way still reach the consumer until it
   * resolves. False: the broker did not know the consumer.
   */
  cancel(consumerTag: string): Promise<boolean> {
    return this.#consumption.cancel(consumerTag);
  }

  /** basic.recover: the broker takes back all unsettled deliveries. */
  async recover(): Promise<void> {
    const recovered = this.call('basic.recover', { requeue: true });
    this.settlements.beginTakeBack();
    await recovered;
  }

  // --- frames that came in ------------------------------------------------------------------------

  onMethod(methodId: number, buffer: Buffer, start: number, end: number): void {
    if (this.#state === 'ended') {
      if (methodId === methodIds.ChannelCloseOk) this.connection.detach(this.number);
      return;
    }
    if (this.#content.isUnderWay) {
      // The broker may close a channel in the middle of a message; nothing else may come between.
      if (methodId !== methodIds.ChannelClose) throw new UnexpectedFrameError('a method in the middle of a message');
      this.#content.reset();
    }
    switch (methodId) {
      case methodIds.BasicDeliver:
        this.#consumption.onDeliver(buffer, start, end);
        return;
      case methodIds.BasicAck:
      case methodIds.BasicNack: {
        const reader = this.#reader.reset(buffer, start, end);
        const tag = reader.longlong();
        this.confirms?.settle(tag, (reader.octet() & 1) !== 0, methodId === methodIds.BasicAck);
        return;
      }
      default:
        this.#onOther(readMethod(methodId, this.#reader.reset(buffer, start, end)));
    }
  }

  onHeader(bodySize: number, buffer: Buffer, start: number, end: number): void {
    if (this.#state !== 'ended') this.#content.header(bodySize, buffer, start, end);
  }

  onBody(buffer: Buffer, start: number, end: number, isFrameEnd: boolean): void {
    if (this.#state !== 'ended') this.#content.body(buffer, start, end, isFrameEnd);
  }

  #onOther(method: Method): void {
    switch (method.name) {
      case 'basic.return':
        this.#onReturn(method.fields);
        return;
      case 'basic.get-ok':
        this.#onGetOk(method.fields);
        return;
      case 'basic.cancel':
        // The client never answers: RabbitMQ refuses basic.cancel-ok from clients.
        this.#consumption.onCancel(method.fields.consumerTag);
        return;
      case 'basic.recover-ok':
        // At once: what follows in the same chunk is new.
        this.settlements.endTakeBack();
        this.#answer(method, method.name);
        return;
      case 'tx.commit-ok':
        this.committing.open();
        this.#answer(method, method.name);
        return;
      case 'channel.flow':
        this.connection.send(this.number, 'channel.flow-ok', { active: method.fields.active });
        return;
      case 'channel.close':
        this.#onClose(method.fields);
        return;
      case 'channel.close-ok':
        if (this.#state !== 'closing') throw new UnexpectedFrameError('channel.close-ok without channel.close');
        this.#finish(new ChannelClosedError());
        return;
      default:
        if (this.#state === 'closing' && !this.#calls.expects(method.name, consumerTagOf(method))) return;
        this.#answer(method, method.name);
    }
  }

  #onReturn({ replyCode, replyText, exchange, routingKey }: MethodFields['basic.return']): void {
    this.#content.begin((raw, body) => {
      const message = new ReturnedMessage(replyCode, replyText, exchange, routingKey, raw, body);
      const sequenceNumber = message.properties.headers?.[sequenceHeader];
      const error = new UnroutableError({ replyCode, replyText }, exchange, routingKey);
      const isAwaited = typeof sequenceNumber === 'number' && this.confirms?.noteReturn(sequenceNumber, error) === true;
      if (!isAwaited) this.#listener?.onReturn(message);
    }, refuseOversize);
  }

  #onGetOk({ deliveryTag, redelivered, exchange, routingKey, messageCount }: MethodFields['basic.get-ok']): void {
    const isNoAck = this.#calls.isNextNoAck;
    const visibleTag = this.settlements.note(deliveryTag, !isNoAck);
    this.#content.begin(
      (raw, body) => {
        const delivery = new Delivery(
          this.settlements,
          '',
          visibleTag,
          redelivered,
          exchange,
          routingKey,
          raw,
          body,
          isNoAck,
          messageCount,
        );
        if (deliverEvents.hasSubscribers) deliverEvents.publish(describeDelivery(this.identity, delivery));
        this.#answer(delivery, 'basic.get-ok');
      },
      (bodySize) => {
        this.#calls.refuse(
          'basic.get-ok',
          new MessageTooLargeError(bodySize, this.connection.parameters.maxMessageSize),
        );
        if (!isNoAck && this.#state === 'open') this.settlements.settle('nack', visibleTag, false, true);
      },
    );
  }

  #onClose(reply: MethodFields['channel.close']): void {
    this.connection.send(this.number, 'channel.close-ok', {});
    if (this.#state === 'closing') {
      this.#finish(new ChannelClosedError());
      return;
    }
    const failed = failedMethodName(reply.classId, reply.methodId);
    this.#finish(
      ConsumerTimeoutError.isToldBy(reply)
        ? new ConsumerTimeoutError(reply)
        : new ChannelClosedByBrokerError(
            failed === undefined ? reply : { ...reply, replyText: `${reply.replyText} (${failed})` },
          ),
    );
  }

  onConnectionEnd(error: ConnectionError): void {
    this.#finish(error, false);
  }

  // --- the end ------------------------------------------------------------------------------------

  /** channel.close, and waits for its answer at most `limit` milliseconds. Never rejects. */
  close(limit = this.connection.parameters.closeTimeout, reason = ordinaryClose): Promise<void> {
    if (this.#state === 'ended') return Promise.resolve();
    return (this.#closing ??= this.#close(limit, reason));
  }

  #closing: Promise<void> | undefined;

  async #close(limit: number, { replyCode, replyText }: CloseReason): Promise<void> {
    // Bounded: the commit has a limit of its own, and the end of the life ends it.
    if (this.committing.isClosed) await Promise.race([this.committing.untilOpen(), wait(limit)]);
    if (this.#end) return;
    const closed = this.#request('channel.close', { replyCode, replyText, classId: 0, methodId: 0 }, limit);
    this.#state = 'closing';
    // Rejected by the end of the life, which is what was asked for, or by the limit: then the number stays taken,
    // until the broker answers after all.
    await closed.catch(() => undefined);
    this.#finish(new ChannelClosedError(), false);
  }

  #finish(error: AmqpError, isAnswered = true): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#end = error;
    if (isAnswered) this.connection.detach(this.number);
    this.#content.reset();
    this.#consumption.end();
    this.#calls.fail(error);
    this.committing.open();
    this.confirms?.abandon(error);
    this.#listener?.onEnd(error);
  }
}

/** Of the two replies that come out of order. */
function consumerTagOf(reply: Method): string | undefined {
  return reply.name === 'basic.consume-ok' || reply.name === 'basic.cancel-ok' ? reply.fields.consumerTag : undefined;
}

/** A message of our own that came back longer than we take: whoever sends that is broken. */
function refuseOversize(bodySize: number): void {
  throw new FrameError(`a returned message of ${String(bodySize)} bytes exceeds maxMessageSize`);
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });
}
