/** Writes down what a broker says of publishes and deliveries, and reads it as a test wants to hear it. */
import type { Message, PublishedEvent, SettledEvent, EmbeddedBroker } from '../broker/index.js';

/**
 * How a message ended in a queue.
 *
 * - `ack`: acknowledged, or taken by a consumer that need not acknowledge. (A policy that drops acknowledges, too.)
 * - `park`: a copy went to `<queue>.parked`, then acknowledged.
 * - `dead-letter`: rejected, expired, or over a limit, and a copy went to the dead-letter exchange of the queue.
 * - `drop`: rejected, expired, or over a limit, and gone.
 */
export type SettledOutcome = 'ack' | 'park' | 'dead-letter' | 'drop';

/** The end of a message in a queue. */
export interface SettledMessage {
  readonly outcome: SettledOutcome;
  /** Deliveries, those that were requeued, retried, or lost with their connection included; 0 where there was none. */
  readonly attempts: number;
}

/** The end of a message, whose, and of what. */
export interface EndedMessage extends SettledMessage {
  readonly queue: string;
  /** The value in a JSON body, or the bytes of any other. */
  readonly payload: unknown;
}

/** A message that the application published. */
export interface PublishedMessage {
  readonly exchange: string;
  readonly routingKey: string;
  /** The value in a JSON body, or the bytes of any other. */
  readonly payload: unknown;
  readonly properties: Message['properties'];
  /** The queues that took it. */
  readonly queues: readonly string[];
}

export class Journal {
  /** Only this one is written down. */
  virtualHost: string;
  readonly #ended: EndedMessage[] = [];
  /** How many ends of each queue were taken. */
  readonly #taken = new Map<string, number>();
  readonly #published: PublishedMessage[] = [];
  /** Copies in parking queues whose originals are not acknowledged yet. */
  readonly #parked: PublishedEvent[] = [];
  /** Copies on their way to another try whose originals are not acknowledged yet. */
  readonly #retried: PublishedEvent[] = [];
  /** Deliveries of messages before they were moved for another try, by queue and id. */
  readonly #earlier = new Map<string, number>();
  /** Ids of messages that the test itself publishes. */
  readonly #foreign = new Set<string>();

  constructor(broker: EmbeddedBroker, virtualHost: string) {
    this.virtualHost = virtualHost;
    broker.on('published', (event) => {
      if (event.virtualHost === this.virtualHost) this.#onPublished(event);
    });
    broker.on('settled', (event) => {
      if (event.virtualHost === this.virtualHost) this.#onSettled(event);
    });
  }

  /** The next message with this id is not one of the application. */
  ignore(messageId: string): void {
    this.#foreign.add(messageId);
  }

  published(exchange: string | undefined): PublishedMessage[] {
    return this.#published.filter((message) => exchange === undefined || message.exchange === exchange);
  }

  /** What ended in the queue since the last call, in that order. */
  takeSettled(queue: string): SettledMessage[] {
    const all = this.ended(queue);
    const taken = this.#taken.get(queue) ?? 0;
    this.#taken.set(queue, all.length);
    return all.slice(taken).map(({ outcome, attempts }) => ({ outcome, attempts }));
  }

  /** Everything that ended, in one queue or in all, whether it was taken or not. */
  ended(queue?: string): EndedMessage[] {
    return this.#ended.filter((message) => queue === undefined || message.queue === queue);
  }

  /** How much was written down. */
  get length(): number {
    return this.#published.length + this.#retried.length + this.#ended.length;
  }

  #onPublished(event: PublishedEvent): void {
    const { exchange, routingKey, message, queues } = event;
    if (this.#foreign.delete(message.properties.messageId ?? '')) return;
    if (exchange === '' && routingKey.endsWith('.parked')) this.#parked.push(event);
    if (isRetry(event)) {
      this.#retried.push(event);
      return;
    }
    this.#published.push({
      exchange,
      routingKey,
      payload: payloadOf(message),
      properties: message.properties,
      queues,
    });
  }

  #onSettled({ queue, message, attempts, outcome, isDeadLettered }: SettledEvent): void {
    // Not an end: it is delivered again.
    if (outcome === 'requeue') return;
    const key = JSON.stringify([queue, message.properties.messageId]);
    const all = attempts + (this.#earlier.get(key) ?? 0);
    if (outcome === 'ack' && this.#wasMoved(this.#retried, queue, message)) {
      this.#earlier.set(key, all);
      return;
    }
    this.#earlier.delete(key);
    let end: SettledOutcome = isDeadLettered ? 'dead-letter' : 'drop';
    if (outcome === 'ack') end = this.#wasMoved(this.#parked, `${queue}.parked`, message) ? 'park' : 'ack';
    this.#ended.push({ queue, outcome: end, attempts: all, payload: payloadOf(message) });
  }

  /** Whoever moves a message publishes the copy first, with the same id and body, and acknowledges the original then. */
  #wasMoved(copies: PublishedEvent[], routingKeyOfCopy: string, { properties, body }: Message): boolean {
    const index = copies.findIndex(
      ({ routingKey, message }) =>
        routingKey === routingKeyOfCopy &&
        message.properties.messageId === properties.messageId &&
        message.body.equals(body),
    );
    if (index >= 0) copies.splice(index, 1);
    return index >= 0;
  }
}

/** A copy that is to be tried again: into a delay queue, or straight back. */
function isRetry({ exchange, message }: PublishedEvent): boolean {
  const isOnTheWay = exchange === '' || /^leveret\.delay\.\d+$/.test(exchange);
  return isOnTheWay && message.properties.headers?.['x-leveret-attempts'] !== undefined && !isParked(message);
}

function isParked({ properties }: Message): boolean {
  return properties.headers?.['x-leveret-reason'] !== undefined;
}

/** The value in a JSON body, or the bytes of any other. */
export function payloadOf({ body }: { readonly body: Buffer }): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    return body;
  }
}
