/** What an application publishes with: JSON to one exchange, confirmed. Declares nothing. */
import { randomUUID } from 'node:crypto';
import { ArgumentError, NotSentError, PublishError, type Channel } from '../../amqp/index.js';
import { carriedOn } from '../consuming/current-delivery.js';
import { describeError } from '../errors.js';
import { PublishPromise } from './publish-promise.js';
import { checkMessageOptions, type MessageOptions } from './publish-options.js';

/** What a publisher needs of its module. */
export interface PublisherHost {
  /** Whether the connection was ready once. */
  readonly isReady: boolean;
  /** Resolves when it was, for a body of so many bytes; see NamedConnection.untilReady. */
  untilReady(bytes: number, signal: AbortSignal | undefined, timeout: number | undefined): Promise<void>;
  /** A confirming channel of its connection. */
  channel(): Promise<Channel>;
  /** Is told of a failure that nobody awaited. */
  onUnheard(message: string): void;
}

export interface PublisherSettings {
  readonly exchange: string;
  readonly isMandatory: boolean;
  readonly isPersistent: boolean;
  /** Milliseconds; undefined: without limit. */
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
    return PublishPromise.follow(this.#publish(routingKey, payload, options), (error) => {
      const { name, message } = describeError(error);
      this.#host.onUnheard(`a publish that nobody awaited failed: ${name}: ${message}`);
    });
  }

  async #publish(routingKey: string, payload: unknown, options: MessageOptions): Promise<void> {
    const { exchange, isMandatory, isPersistent, timeout: defaultTimeout } = this.#settings;
    checkMessageOptions(options);
    const isBytes = payload instanceof Uint8Array;
    const body = isBytes ? payload : toJson(payload);
    const { mandatory = isMandatory, persistent = isPersistent, signal, timeout = defaultTimeout, ...rest } = options;
    const { contentType = isBytes ? 'application/octet-stream' : 'application/json', ...given } = rest;
    const { expiration, messageId = randomUUID(), timestamp = new Date(), ...properties } = given;
    const carried = carriedOn();
    const left = this.#host.isReady ? timeout : await this.#untilReady(routingKey, body, signal, timeout);
    const channel = await this.#whileNotSent(routingKey, this.#host.channel());
    await channel.publish(
      exchange,
      routingKey,
      body,
      {
        ...properties,
        ...(carried && {
          correlationId: properties.correlationId ?? carried.correlationId,
          headers: { ...carried.headers, ...properties.headers },
        }),
        contentType,
        messageId,
        timestamp,
        persistent,
        ...(expiration === undefined ? {} : { expiration: String(expiration) }),
      },
      { mandatory, signal, timeout: left },
    );
  }

  /** Waits for the first connect; answers how many milliseconds of the time-out are left. */
  async #untilReady(
    routingKey: string,
    body: string | Uint8Array,
    signal: AbortSignal | undefined,
    timeout: number | undefined,
  ): Promise<number | undefined> {
    const start = performance.now();
    await this.#whileNotSent(routingKey, this.#host.untilReady(Buffer.byteLength(body), signal, timeout));
    return timeout === undefined ? undefined : Math.max(1, timeout - Math.round(performance.now() - start));
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
