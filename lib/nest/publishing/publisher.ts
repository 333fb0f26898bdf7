/** What an application publishes with: JSON to one exchange, confirmed. Declares nothing. */
import { randomUUID } from 'node:crypto';
import {
  type Delivery,
  ArgumentError,
  NotSentError,
  PublishError,
  type Channel,
  type PublishProperties,
} from '../../amqp/index.js';
import { carriedOn } from '../consuming/current-delivery.js';
import type { MessageDefaults } from '../decorators/inject-publisher.decorator.js';
import { describeError, PublishBatchError, UnreadableBodyError } from '../errors.js';
import { HeardPromise } from '../heard-promise.js';
import { mergedHeaders } from '../merged-headers.js';
import { isList } from '../option-checks.js';
import { readReply } from '../requests/plain-reply.js';
import type { OutgoingRequest, RequestChannel } from '../requests/request-channel.js';
import { requestPromise } from '../requests/request-promise.js';
import { delayStep, type DelayQueues } from '../retrying/delay-queues.js';
import { checkMessageOptions, delayOf, type MessageOptions } from './publish-options.js';

/** Milliseconds. */
const defaultRequestTimeout = 30_000;

/** What a publisher needs of its module. */
export interface PublisherHost {
  /** Whether the connection was ready once. */
  readonly isReady: boolean;
  /** Resolves when it was, for a body of so many bytes; see NamedConnection.untilReady. */
  untilReady(bytes: number, signal: AbortSignal | undefined, timeout: number | undefined): Promise<void>;
  /** A confirming channel of its connection, where it was opened before. */
  readonly openedChannel: Channel | undefined;
  /** Resolves with it when it is open, for a body of so many bytes; see NamedConnection.channelWithin. */
  channel(bytes: number, signal: AbortSignal | undefined, timeout: number | undefined): Promise<Channel>;
  /** Where messages of its connection wait. */
  readonly delayQueues: DelayQueues;
  /** The channel of delayed messages, when it is open; as `channel`. */
  delayChannel(bytes: number, signal: AbortSignal | undefined, timeout: number | undefined): Promise<Channel>;
  /** The channel of requests of its connection. */
  requestChannel(): Promise<RequestChannel>;
  /** Is told of a failure that nobody awaited. */
  onUnheard(message: string): void;
}

export interface PublisherSettings {
  readonly exchange: string;
  /** What holds for messages that do not say otherwise. */
  readonly defaults: MessageDefaults;
}

/** One message of a batch. */
export type BatchMessage<Events extends object = Record<string, unknown>> = {
  [Key in keyof Events & string]: {
    readonly routingKey: Key;
    readonly payload: Events[Key];
    /** Over those of the batch. */
    readonly options?: Omit<MessageOptions, 'signal' | 'timeout'> | undefined;
  };
}[keyof Events & string];

/** A message that was checked, as it is handed to the client. */
export interface PreparedMessage {
  readonly routingKey: string;
  readonly body: string | Uint8Array;
  readonly properties: PublishProperties;
  readonly mandatory: boolean;
  /** Milliseconds that it is to wait on the broker. */
  readonly delay: number;
  readonly signal: AbortSignal | undefined;
  readonly timeout: number | undefined;
}

/**
 * Publishes the events of a map from routing key to payload: `Publisher<{ 'order.created': Order }>`.
 * Without a map, any key and payload.
 */
export class Publisher<Events extends object = Record<string, unknown>> {
  readonly #host: PublisherHost;
  readonly #settings: PublisherSettings;

  /** Made by PublisherFactory, for `@InjectPublisher`. */
  constructor(host: PublisherHost, settings: PublisherSettings) {
    this.#host = host;
    this.#settings = settings;
  }

  get exchange(): string {
    return this.#settings.exchange;
  }

  /**
   * Publishes the payload as JSON, and bytes (a Buffer or Uint8Array) as they are; resolves when the broker confirmed
   * it. Rejects with UnroutableError (mandatory, no queue took it), NackError, UnknownOutcomeError (sent, then the
   * connection went), NotSentError (safe to send again), or ArgumentError (nothing was sent). A failure that nobody
   * awaits is logged.
   *
   * Inside a handler it carries on the correlation of the message at hand (its correlationId, else its messageId) and the
   * headers `traceparent`, `tracestate` and `baggage`, each unless given.
   */
  publish<Key extends keyof Events & string>(
    routingKey: Key,
    payload: Events[Key],
    options: MessageOptions = {},
  ): Promise<void> {
    return this.#heard(this.#publish(routingKey, payload, options));
  }

  /**
   * Publishes all of them, in this order, without waiting for one before the next. Resolves when the broker confirmed all;
   * rejects with PublishBatchError, which says what became of which, when some were not; with ArgumentError, naming the
   * message, when one cannot be sent: then nothing was. `options` stand for messages that do not say otherwise.
   */
  publishBatch(messages: readonly BatchMessage<Events>[], options: MessageOptions = {}): Promise<void> {
    return this.#heard(this.#publishBatch(messages, options));
  }

  /**
   * Publishes a request with a reply-to and resolves with the reply: what a handler with `@Consume({ reply: true })` returned,
   * or the JSON of whoever else answers with the correlation id. Mandatory, and not persistent, unless said.
   *
   * Rejects with RemoteError (the other side's error), NoReceiverError (no queue takes it), RequestTimeoutError (`timeout`
   * milliseconds, default 30 000), ConnectionLostError (at once when the connection goes; it may have been carried out),
   * ArgumentError, or the reason of `signal`. A failure that nobody awaits is logged.
   */
  request<Reply = unknown, Key extends keyof Events & string = keyof Events & string>(
    routingKey: Key,
    payload: Events[Key],
    options: MessageOptions = {},
  ): Promise<Reply> {
    return this.#heard(this.#request<Reply>(routingKey, payload, options), 'request');
  }

  /** @internal For the outbox, which sends it later. Throws ArgumentError for what cannot be sent. */
  prepare(routingKey: string, payload: unknown, options: MessageOptions): PreparedMessage {
    return this.#prepare(routingKey, payload, options);
  }

  /** @internal What was prepared before; resolves and rejects as `publish`. */
  send(message: PreparedMessage): Promise<void> {
    return this.#send(message);
  }

  async #request<Reply>(routingKey: string, payload: unknown, options: MessageOptions): Promise<Reply> {
    const { mandatory = true, persistent = false, timeout = defaultRequestTimeout } = options;
    const { replyTo, correlationId = randomUUID(), delay, at } = options;
    if (delay !== undefined || at !== undefined) throw new ArgumentError('delay', 'is for messages without a reply');
    if (replyTo !== undefined) throw new ArgumentError('replyTo', 'is where the reply to this request comes');
    const prepared = this.#prepare(routingKey, payload, { ...options, mandatory, persistent, timeout });
    return requestPromise<Reply>({ pattern: routingKey, timeout, signal: options.signal }, (resolve, reject) => {
      const request: OutgoingRequest = {
        correlationId,
        pattern: routingKey,
        exchange: this.#settings.exchange,
        routingKey,
        body: prepared.body,
        properties: prepared.properties,
        isMandatory: prepared.mandatory,
      };
      const onReply = (delivery: Delivery): void => {
        try {
          resolve(readReply(routingKey, delivery) as Reply);
        } catch (error) {
          reject(error instanceof SyntaxError ? new UnreadableBodyError('the reply is no JSON') : error);
        }
      };
      let isOver = false;
      let giveUp = (): void => {
        isOver = true;
      };
      this.#requestChannel(prepared).then((channel) => {
        if (!isOver) giveUp = channel.send(request, { onReply, onFailure: reject });
      }, reject);
      return () => {
        giveUp();
      };
    });
  }

  async #requestChannel({ routingKey, body, signal, timeout }: PreparedMessage): Promise<RequestChannel> {
    if (!this.#host.isReady) {
      await this.#whileNotSent(routingKey, this.#host.untilReady(Buffer.byteLength(body), signal, timeout));
    }
    return this.#whileNotSent(routingKey, this.#host.requestChannel());
  }

  #heard<Outcome>(outcome: Promise<Outcome>, what: 'publish' | 'request' = 'publish'): Promise<Outcome> {
    return HeardPromise.follow(outcome, (error) => {
      const { name, message } = describeError(error);
      this.#host.onUnheard(`a ${what} that nobody awaited failed: ${name}: ${message}`);
    });
  }

  async #publish(routingKey: string, payload: unknown, options: MessageOptions): Promise<void> {
    await this.#send(this.#prepare(routingKey, payload, options));
  }

  async #publishBatch(messages: readonly BatchMessage<Events>[], options: MessageOptions): Promise<void> {
    const problem = isList(messages);
    if (problem !== undefined) throw new ArgumentError('messages', problem);
    const prepared = messages.map((message, index) => {
      try {
        return this.#prepare(message.routingKey, message.payload, { ...options, ...message.options });
      } catch (error) {
        throw new ArgumentError(`messages[${String(index)}]`, describeError(error).message);
      }
    });
    const outcomes = await Promise.allSettled(prepared.map((message) => this.#send(message)));
    const failures = outcomes.flatMap((outcome, index) =>
      outcome.status === 'fulfilled'
        ? []
        : [{ index, routingKey: prepared[index]?.routingKey ?? '', error: outcome.reason as unknown }],
    );
    if (failures.length > 0) throw new PublishBatchError(failures, prepared.length);
  }

  /** Throws ArgumentError for what cannot be sent. */
  #prepare(routingKey: string, payload: unknown, options: MessageOptions): PreparedMessage {
    const { exchange, defaults } = this.#settings;
    checkMessageOptions(options);
    const isBytes = payload instanceof Uint8Array;
    const body = isBytes ? payload : toJson(payload);
    const carried = carriedOn();
    const expiration = options.expiration ?? defaults.expiration;
    return {
      routingKey,
      body,
      mandatory: options.mandatory ?? defaults.mandatory ?? exchange === '',
      delay: delayOf(options, expiration),
      signal: options.signal,
      timeout: options.timeout ?? defaults.timeout,
      properties: {
        contentType: options.contentType ?? (isBytes ? 'application/octet-stream' : 'application/json'),
        headers: mergedHeaders(carried?.headers, defaults.headers, options.headers),
        persistent: options.persistent ?? defaults.persistent ?? true,
        priority: options.priority ?? defaults.priority,
        correlationId: options.correlationId ?? carried?.correlationId,
        replyTo: options.replyTo,
        expiration: expiration === undefined ? undefined : String(expiration),
        messageId: options.messageId ?? randomUUID(),
        timestamp: options.timestamp ?? new Date(),
        type: options.type ?? defaults.type,
        appId: options.appId ?? defaults.appId,
      },
    };
  }

  async #send(message: PreparedMessage): Promise<void> {
    if (message.delay > 0) {
      await this.#sendDelayed(message);
      return;
    }
    const { routingKey, body, properties, mandatory, signal, timeout } = message;
    const { exchange } = this.#settings;
    const { openedChannel } = this.#host;
    if (openedChannel) {
      await openedChannel.publish(exchange, routingKey, body, properties, { mandatory, signal, timeout });
      return;
    }
    const start = performance.now();
    const opening = this.#host.channel(Buffer.byteLength(body), signal, timeout);
    const channel = await this.#whileNotSent(routingKey, opening);
    const left = timeout === undefined ? undefined : Math.max(1, timeout - Math.round(performance.now() - start));
    await channel.publish(exchange, routingKey, body, properties, { mandatory, signal, timeout: left });
  }

  /** Into the delay queue of the next power of two; its own expiration takes it out in time. */
  async #sendDelayed({ routingKey, body, properties, delay, signal, timeout }: PreparedMessage): Promise<void> {
    const { exchange } = this.#settings;
    const start = performance.now();
    const opening = this.#host.delayChannel(Buffer.byteLength(body), signal, timeout);
    const channel = await this.#whileNotSent(routingKey, opening);
    const message = { delay: delayStep(delay), exchange, routingKey };
    const putting = this.#host.delayQueues.put(message, async (delayExchange, ours) => {
      signal?.throwIfAborted();
      const left = timeout === undefined ? undefined : Math.max(1, timeout - Math.round(performance.now() - start));
      const options = { mandatory: true, signal, timeout: left };
      const headers = mergedHeaders(properties.headers, ours);
      const delayed = { ...properties, headers, expiration: String(delay) };
      await channel.publish(delayExchange, routingKey, body, delayed, options);
    });
    await this.#whileNotSent(routingKey, putting);
  }

  async #whileNotSent<Result>(routingKey: string, waiting: Promise<Result>): Promise<Result> {
    try {
      return await waiting;
    } catch (error) {
      if (error instanceof PublishError) throw error;
      throw new NotSentError(describeError(error).message, this.#settings.exchange, routingKey, error);
    }
  }
}

function toJson(payload: unknown): string {
  let text: unknown;
  try {
    text = JSON.stringify(payload);
  } catch (error) {
    throw new ArgumentError('payload', `cannot be written as JSON: ${describeError(error, 200).message}`);
  }
  // What JSON.stringify makes of undefined, functions and symbols.
  if (typeof text !== 'string')
    throw new ArgumentError('payload', `cannot be written as JSON: it is ${typeof payload}`);
  return text;
}
