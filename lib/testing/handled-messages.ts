/** Writes down what the handlers of one application were given, and how each ended. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { HandleDiagnostics, HandleOutcome } from '../nest/index.js';
import { payloadOf } from './journal.js';

/** A message that a handler was given, or that was kept from its handler: once for each try. */
export interface ConsumedMessage {
  /** `Class.method` of a `@Consume`; the pattern, of a transport strategy. */
  readonly handler: string;
  readonly queue: string;
  readonly exchange: string;
  readonly routingKey: string;
  /** What the handler was given, before pipes; where the message was kept from it, the value in a JSON body, or the bytes. */
  readonly payload: unknown;
  /** Which try it was, over all retries, from 1. */
  readonly attempts: number;
  /** What became of the message after it. */
  readonly outcome: HandleOutcome;
  /** What the handler failed with, or why the message was kept from it; undefined where it did not fail. */
  readonly error: unknown;
}

const channelName = 'leveret:handle';

export class HandledMessages {
  readonly #messages: ConsumedMessage[] = [];
  readonly #sources: ReadonlySet<object>;
  readonly #listener = (event: unknown): void => {
    const { source, handler, queue, delivery, payload, attempts, outcome, error } = event as HandleDiagnostics;
    // The channel is one for the process.
    if (!this.#sources.has(source)) return;
    const { exchange, routingKey } = delivery;
    const given = payload === undefined ? payloadOf(delivery) : payload;
    this.#messages.push({ handler, queue, exchange, routingKey, payload: given, attempts, outcome, error });
  };

  /** Of the connections and strategies of the set, those that are added later among them. */
  constructor(sources: ReadonlySet<object>) {
    this.#sources = sources;
    subscribe(channelName, this.#listener);
  }

  /** Those of a queue or a handler, or all, in the order in which they were done. */
  of(queueOrHandler: string | undefined): ConsumedMessage[] {
    return this.#messages.filter(
      ({ queue, handler }) => queueOrHandler === undefined || queue === queueOrHandler || handler === queueOrHandler,
    );
  }

  /** How much was written down, but of the queues that are left. */
  count(isLeft: (queue: string) => boolean): number {
    return this.#messages.filter(({ queue }) => !isLeft(queue)).length;
  }

  stop(): void {
    unsubscribe(channelName, this.#listener);
  }
}
