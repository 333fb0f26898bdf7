/**
 * The consumers of one life of a channel, by tag, and what is delivered to them: by hand from the frame to the callback.
 * Must not know replies, publishes or the channel's states.
 */
import { deliverEvents, type ChannelIdentity, type DeliverDiagnostics } from '../diagnostics.js';
import { asError, DuplicateConsumerTagError, FrameSyntaxError, MessageTooLargeError, TimeoutError } from '../errors.js';
import type { ConnectionLife } from '../connection/index.js';
import type { Method, MethodInputs } from '../protocol/index.js';
import type { CommitGate } from './commit-gate.js';
import type { ContentAssembly, OversizeContent } from './content-assembly.js';
import { Delivery } from './delivery.js';
import { InternedStrings } from './interned-strings.js';
import type { Settlements } from './settlements.js';

export interface LifeConsumer {
  readonly isNoAck: boolean;
  /** May throw or reject: that is reported, and harms nothing. */
  onDelivery(delivery: Delivery): unknown;
}

/** What it needs of its channel. */
export interface ConsumedChannel {
  readonly connection: Pick<ConnectionLife, 'parameters'>;
  readonly identity: ChannelIdentity;
  readonly settlements: Settlements;
  readonly committing: CommitGate;
  readonly isOpen: boolean;
  call<Name extends 'basic.consume' | 'basic.cancel'>(name: Name, fields: MethodInputs[Name]): Promise<Method>;
}

export interface ConsumptionListener {
  /** basic.cancel by the broker; the tag is free again. */
  onConsumerCancelled(consumerTag: string): void;
  /** We cancelled a consumer because of a message that it cannot be given; the tag is free again. */
  onConsumerUnfit(consumerTag: string, error: MessageTooLargeError): void;
  /** A user's callback threw. */
  onCallbackError(error: Error): void;
}

export class Consumption {
  readonly #channel: ConsumedChannel;
  readonly #content: ContentAssembly;
  readonly #listener: () => ConsumptionListener | undefined;
  readonly #consumers = new Map<string, LifeConsumer>();
  /** Each basic.consume that is not answered, by tag. */
  readonly #starting = new Map<string, Promise<Method>>();
  /** Consumers whose caller gave up, and that the broker may know. */
  readonly #ghosts = new Map<string, LifeConsumer>();
  readonly #strings = new InternedStrings();

  constructor(channel: ConsumedChannel, content: ContentAssembly, listener: () => ConsumptionListener | undefined) {
    this.#channel = channel;
    this.#content = content;
    this.#listener = listener;
  }

  /** basic.consume with a tag that is free on this channel. */
  async start(consumer: LifeConsumer, fields: MethodInputs['basic.consume']): Promise<void> {
    const { consumerTag } = fields;
    // One that is to be cancelled as soon as it consumes.
    if (this.#starting.has(consumerTag)) throw new DuplicateConsumerTagError(consumerTag);
    this.#consumers.set(consumerTag, consumer);
    const started = this.#channel.call('basic.consume', fields);
    this.#starting.set(consumerTag, started);
    try {
      await started;
    } catch (error) {
      this.#consumers.delete(consumerTag);
      // The broker may have it all the same: its deliveries go back until it is cancelled.
      if (error instanceof TimeoutError) this.#ghosts.set(consumerTag, consumer);
      throw error;
    } finally {
      this.#starting.delete(consumerTag);
    }
  }

  /**
   * basic.cancel; deliveries that are on their way still reach the consumer until it resolves. False: the broker did not
   * know the consumer.
   *
   * Never before basic.consume-ok. With RabbitMQ the queue's process hands that to the channel's, which looks the tag up to
   * pass it on; where a basic.cancel came first and removed it, 3.x fails over that and closes the connection (541), and
   * from 4.1 on nothing is sent: the consume would be without an answer for ever.
   */
  async cancel(consumerTag: string): Promise<boolean> {
    const starting = this.#starting.get(consumerTag);
    // What it rejects with is its caller's.
    if (starting) await starting.catch(() => undefined);
    const { committing } = this.#channel;
    if (committing.isClosed) await committing.untilOpen();
    if (!this.#consumers.has(consumerTag)) return false;
    await this.#channel.call('basic.cancel', { consumerTag });
    this.#consumers.delete(consumerTag);
    return true;
  }

  /** The broker took a consumer whose caller had given up. */
  endGhost(consumerTag: string): void {
    this.#channel.call('basic.cancel', { consumerTag }).then(
      () => this.#ghosts.delete(consumerTag),
      () => undefined,
    );
  }

  /** The channel ended. */
  end(): void {
    this.#consumers.clear();
  }

  /**
   * basic.deliver by hand, since a consumer reads little else; a test holds it against the generated decoder.
   *
   *   consumer-tag(shortstr) delivery-tag(longlong) redelivered(bit) exchange(shortstr) routing-key(shortstr)
   */
  onDeliver(buffer: Buffer, start: number, end: number): void {
    const strings = this.#strings;
    const tagEnd = start + 1 + (buffer[start] ?? 0);
    const exchangeStart = tagEnd + 10;
    const exchangeEnd = exchangeStart + (buffer[exchangeStart - 1] ?? 0);
    const keyStart = exchangeEnd + 1;
    const keyEnd = keyStart + (buffer[exchangeEnd] ?? 0);
    if (exchangeStart > end || exchangeEnd >= end || keyEnd !== end) {
      throw new FrameSyntaxError('basic.deliver: its strings do not fill its frame');
    }
    const high = buffer.readUInt32BE(tagEnd);
    if (high > 0x1f_ffff) throw new FrameSyntaxError('basic.deliver: a delivery tag beyond 2^53');
    const deliveryTag = high * 0x1_0000_0000 + buffer.readUInt32BE(tagEnd + 4);
    const redelivered = ((buffer[tagEnd + 8] ?? 0) & 1) !== 0;
    const consumerTag = strings.decode(buffer, start + 1, tagEnd);
    const exchange = strings.decode(buffer, exchangeStart, exchangeEnd);
    const routingKey = strings.decode(buffer, keyStart, keyEnd);
    const consumer = this.#consumers.get(consumerTag) ?? this.#ghosts.get(consumerTag);
    const visibleTag = this.#channel.settlements.note(deliveryTag, consumer?.isNoAck !== true);
    this.#content.begin(
      (properties, body) => {
        // While the channel closes, the broker takes back what we do not settle.
        if (!this.#channel.isOpen) return;
        if (!consumer) return;
        if (this.#consumers.get(consumerTag) !== consumer) {
          if (!consumer.isNoAck) this.#channel.settlements.settle('nack', visibleTag, false, true);
          return;
        }
        this.#hand(
          consumer,
          new Delivery(
            this.#channel.settlements,
            consumerTag,
            visibleTag,
            redelivered,
            exchange,
            routingKey,
            properties,
            body,
            consumer.isNoAck,
            undefined,
          ),
        );
      },
      this.#oversizeOf(consumerTag, visibleTag),
    );
  }

  /**
   * For a message over `maxMessageSize`: its consumer is cancelled first, since the message comes back at once. What else
   * is on its way still reaches it.
   */
  #oversizeOf(consumerTag: string, visibleTag: number): OversizeContent {
    return (bodySize) => {
      const consumer = this.#consumers.get(consumerTag);
      if (!this.#channel.isOpen || !consumer) return;
      const error = new MessageTooLargeError(bodySize, this.#channel.connection.parameters.maxMessageSize);
      if (consumer.isNoAck) {
        this.#listener()?.onCallbackError(error);
        return;
      }
      const tell = (): void => {
        if (this.#consumers.get(consumerTag) === consumer) return;
        this.#listener()?.onConsumerUnfit(consumerTag, error);
      };
      this.cancel(consumerTag).then(tell, tell);
      if (this.#channel.settlements.isUnsettled(visibleTag))
        this.#channel.settlements.settle('nack', visibleTag, false, true);
    };
  }

  #hand(consumer: LifeConsumer, delivery: Delivery): void {
    try {
      const result = deliverEvents.hasSubscribers
        ? deliverEvents.runStores(describeDelivery(this.#channel.identity, delivery), () =>
            consumer.onDelivery(delivery),
          )
        : consumer.onDelivery(delivery);
      // A promise of whatever make: one of another realm is no `Promise` here.
      if (isThenable(result)) {
        result.then(undefined, (error: unknown) => {
          this.#listener()?.onCallbackError(asError(error));
        });
      }
    } catch (error) {
      this.#listener()?.onCallbackError(asError(error));
    }
  }

  /**
   * RabbitMQ 4.3 may keep the tag in use after its own basic.cancel (a consumer time-out on a quorum queue), and closes
   * the connection (530) over a basic.consume that takes it again. Our basic.cancel frees it; elsewhere it does nothing.
   */
  onCancel(consumerTag: string): void {
    if (!this.#consumers.delete(consumerTag)) return;
    const free = (): void => {
      this.#channel.call('basic.cancel', { consumerTag }).catch(() => undefined);
    };
    if (this.#channel.committing.isClosed) this.#channel.committing.onOpen(free);
    else free();
    this.#listener()?.onConsumerCancelled(consumerTag);
  }
}

/** A delivery as diagnostics show it. */
export function describeDelivery(channel: ChannelIdentity, delivery: Delivery): DeliverDiagnostics {
  return {
    channel,
    consumerTag: delivery.consumerTag,
    deliveryTag: delivery.deliveryTag,
    redelivered: delivery.redelivered,
    exchange: delivery.exchange,
    routingKey: delivery.routingKey,
    body: delivery.body,
    get properties() {
      return delivery.properties;
    },
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function';
}
