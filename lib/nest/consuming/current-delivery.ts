/**
 * Which delivery a piece of code works for, over everything that it awaits. Two copies of the package in one process share
 * one storage: a publisher of one inside a handler of the other carries on all the same.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { BasicProperties, FieldTable } from '../../amqp/index.js';

/** What is needed of a context here. */
interface DeliveryContext {
  getProperties(): Readonly<BasicProperties>;
}

const storageKey = Symbol.for('leveret:current-delivery');

function storage(): AsyncLocalStorage<DeliveryContext | undefined> {
  const shared = globalThis as unknown as Record<symbol, AsyncLocalStorage<DeliveryContext | undefined> | undefined>;
  return (shared[storageKey] ??= new AsyncLocalStorage<DeliveryContext | undefined>());
}

/** Runs the function, and all that it starts, for the delivery. */
export function runFor<Result>(context: DeliveryContext, work: () => Result): Result {
  return storage().run(context, work);
}

/** Runs the function, and all that it starts, for no delivery in particular. */
export function runForNone<Result>(work: () => Result): Result {
  // Not `exit`, which turns Node's hooks off and on again: every promise pays for that.
  return storage().run(undefined, work);
}

/** The delivery at hand; undefined outside of handlers. */
export function currentDelivery(): DeliveryContext | undefined {
  return storage().getStore();
}

/** W3C Trace Context and Baggage. */
const traceHeaders = ['traceparent', 'tracestate', 'baggage'];

/** What a message that a handler publishes has of the one that it handles. */
export interface Carried {
  /** Its correlation id, else its message id. */
  readonly correlationId: string | undefined;
  /** The headers that trace it. */
  readonly headers: FieldTable;
}

/** Undefined outside of handlers, and for a delivery whose properties cannot be read. */
export function carriedOn(): Carried | undefined {
  try {
    const properties = currentDelivery()?.getProperties();
    if (!properties) return undefined;
    const { correlationId, messageId, headers = {} } = properties;
    const names = traceHeaders.filter((name) => headers[name] !== undefined);
    return {
      correlationId: correlationId ?? messageId,
      headers: Object.fromEntries(names.map((name) => [name, headers[name]])),
    };
  } catch {
    return undefined;
  }
}
