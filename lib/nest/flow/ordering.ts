/** Which messages are to be handled one after the other: the options `ordered`, and the key that they make of a delivery. */
import type { Delivery } from '../../amqp/index.js';
import { describeError, OrderKeyError } from '../errors.js';
import { originOf } from '../retrying/message-copy.js';
import { faultsOf, isFilledName, isOneOf, isRecord, type Check } from '../option-checks.js';

/**
 * What the messages that must not overtake each other have in common: their routing key, their correlation id, a header, or
 * what the function makes of the delivery. A header counts by its text where it is a string, a number or a boolean. Messages
 * without it (undefined) are in no order. The routing key is the one that a message was published with first. Any other value, and a function that throws, is an OrderKeyError, with which the
 * message is settled by its policy.
 */
export type OrderKey =
  'routingKey' | 'correlationId' | { readonly header: string } | ((delivery: Delivery) => string | undefined);

export interface OrderedOptions {
  by: OrderKey;
  /**
   * What those behind a message of their key do while that waits for a retry:
   *
   * - `overtake` (default): they are handled meanwhile. The retry waits in the broker, and comes after them.
   * - `wait`: they wait too. The retry waits in memory and holds its delivery.
   */
  retries?: 'overtake' | 'wait' | undefined;
}

/** The key of a delivery; undefined: it has none. Throws OrderKeyError. */
export type KeyOf = (delivery: Delivery) => string | undefined;

const isOrderKey: Check = (value) => {
  if (typeof value === 'function') return undefined;
  if (isRecord(value)) {
    if (value['header'] === undefined) return 'needs "header"';
    return faultsOf(value, { header: isFilledName })[0];
  }
  return (
    isOneOf('routingKey', 'correlationId')(value) && `must be 'routingKey', 'correlationId', { header } or a function`
  );
};

export const isOrdered: Check = (value) => {
  if (!isRecord(value)) return 'must be { by, retries? }';
  if (value['by'] === undefined) return 'needs "by"';
  const faults = faultsOf(value, { by: isOrderKey, retries: isOneOf('overtake', 'wait') });
  return faults.length > 0 ? `is wrong: ${faults.join('; ')}` : undefined;
};

/** `queue`: the name of the queue that the deliveries come from. */
export function keyReader({ by }: OrderedOptions, queue: () => string): KeyOf {
  const title = titleOf(by);
  const read = readerOf(by, queue);
  return (delivery) => {
    let key: unknown;
    try {
      key = read(delivery);
    } catch (error) {
      throw new OrderKeyError(title, describeError(error).message, { cause: error });
    }
    switch (typeof key) {
      case 'string':
      case 'undefined':
        return key;
      case 'number':
      case 'bigint':
      case 'boolean':
        return String(key);
      default:
        throw new OrderKeyError(title, `it is ${key === null ? 'null' : `of type ${typeof key}`}, and no text`);
    }
  };
}

function titleOf(by: OrderKey): string {
  if (typeof by === 'function') return 'its function';
  return typeof by === 'string' ? by : `the header "${by.header}"`;
}

function readerOf(by: OrderKey, queue: () => string): (delivery: Delivery) => unknown {
  if (typeof by === 'function') return by;
  // One that comes from a delay queue has the key that it was published with first.
  if (by === 'routingKey') return (delivery) => originOf(delivery, queue()).routingKey;
  if (by === 'correlationId') return (delivery) => delivery.properties.correlationId;
  const { header } = by;
  return ({ headers }) => (Object.hasOwn(headers, header) ? headers[header] : undefined);
}
