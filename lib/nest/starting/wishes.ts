/** What somebody wants on the broker: exchanges, queues and bindings as they go over the wire. Pure. */
import type { FieldTable } from '../../amqp/index.js';

/** An exchange as it goes over the wire; what is left out is the client's default. */
export interface ExchangeWish {
  readonly name: string;
  readonly type: string;
  readonly durable?: boolean | undefined;
  readonly autoDelete?: boolean | undefined;
  readonly internal?: boolean | undefined;
  readonly arguments?: FieldTable | undefined;
}

/** A queue as it goes over the wire. */
export interface QueueWish {
  readonly name: string;
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  readonly arguments: FieldTable;
}

/** From an exchange to a queue, or to another exchange. */
export interface BindingWish {
  readonly exchange: string;
  readonly queue?: string | undefined;
  readonly toExchange?: string | undefined;
  readonly routingKey?: string | undefined;
  readonly arguments?: FieldTable | undefined;
}

/** What is to be there, and who says so. */
export interface Wish {
  readonly where: string;
  /** For errors: `queue "orders"`. */
  readonly title: string;
  readonly kind: 'exchange' | 'queue' | 'binding';
  readonly name: string;
  readonly exchange?: ExchangeWish;
  readonly queue?: QueueWish;
  readonly binding?: BindingWish;
  /** A parking queue: an application starts without what it wanted of it. */
  readonly isParking?: boolean;
  /** Taken as it is: it must be there. The option that says so. */
  readonly takenBy?: string;
}

export function exchangeWish(where: string, exchange: ExchangeWish): Wish {
  return { where, title: `exchange "${exchange.name}"`, kind: 'exchange', name: exchange.name, exchange };
}

export function queueWish(where: string, queue: QueueWish): Wish {
  return { where, title: `queue "${queue.name}"`, kind: 'queue', name: queue.name, queue };
}

export function takenQueueWish(where: string, name: string, takenBy: string): Wish {
  return { where, title: `queue "${name}"`, kind: 'queue', name, takenBy };
}

export function bindingWish(where: string, binding: BindingWish): Wish {
  const { exchange, queue, toExchange = '', routingKey = '' } = binding;
  const bound = queue === undefined ? `exchange "${toExchange}"` : `queue "${queue}"`;
  const title = `the binding of ${bound} to the exchange "${exchange}" with "${routingKey}"`;
  return { where, title, kind: 'binding', name: exchange, binding };
}
