/** Where a message's pattern and its payload stand, as a setting; and its check. */
import type { BasicProperties, Delivery } from '../../amqp/index.js';
import { describeError, UnreadableBodyError } from '../errors.js';
import { isThenable } from './thenable.js';
import { faultsOf, isFilledName, isFunction, isRecord, type Check } from '../option-checks.js';

/**
 * - `body`: the field `pattern` of the body.
 * - `routingKey`, `type`: of the message.
 * - `{ header }`, `{ field }`: a header, a field of the body.
 * - A function: several patterns are tried in their order; undefined: it has none. It is called where the body can be read.
 */
export type PatternPlace =
  | 'body'
  | 'routingKey'
  | 'type'
  | { readonly header: string }
  | { readonly field: string }
  | ((delivery: Delivery, body: unknown) => string | readonly string[] | undefined);

/**
 * - `body`: the whole body. `data`: the field `data` of the body.
 * - `{ field }`: a field of the body.
 * - A function.
 */
export type PayloadPlace =
  'body' | 'data' | { readonly field: string } | ((body: unknown, delivery: Delivery) => unknown);

/** A field that is not there, or is no text where a pattern should be, is an UnreadableBodyError. */
export interface MessageLayout {
  /** Default: for `@Consume` `routingKey`, for AmqpServer `body`. */
  readonly patternFrom?: PatternPlace | undefined;
  /** Default: for `@Consume` `body`, for AmqpServer `data`. */
  readonly payloadFrom?: PayloadPlace | undefined;
}

/** That of a queue with `@Consume`, complete. */
export interface QueueLayout {
  readonly patternFrom: PatternPlace;
  readonly payloadFrom: PayloadPlace;
}

export function queueLayout(layout: MessageLayout | undefined): QueueLayout | undefined {
  return layout && { patternFrom: layout.patternFrom ?? 'routingKey', payloadFrom: layout.payloadFrom ?? 'body' };
}

function isPlace(words: readonly string[], objects: readonly string[]): Check {
  const known = [...words.map((word) => `'${word}'`), ...objects.map((name) => `{ ${name} }`), 'a function'];
  return (value) => {
    if (words.includes(value as string) || isFunction(value) === undefined) return undefined;
    const [name, ...others] = isRecord(value) ? Object.keys(value) : [];
    const isNamed = name !== undefined && objects.includes(name) && others.length === 0;
    if (isNamed && isRecord(value) && isFilledName(value[name]) === undefined) return undefined;
    return `must be one of ${known.join(', ')}`;
  };
}

const layoutChecks: Readonly<Record<keyof MessageLayout, Check>> = {
  patternFrom: isPlace(['body', 'routingKey', 'type'], ['header', 'field']),
  payloadFrom: isPlace(['body', 'data'], ['field']),
};

export const isLayout: Check = (value) => {
  const [fault] = faultsOf(value, layoutChecks);
  return fault === undefined ? undefined : `must be a layout: ${fault}`;
};

/** Whether the pattern stands outside of the body: a body that cannot be read is then its handler's failure. */
export function isPatternOutside(place: PatternPlace): boolean {
  return place === 'routingKey' || place === 'type' || (typeof place === 'object' && 'header' in place);
}

const nothing: readonly string[] = [];
/** Characters; it is held against the patterns of every handler. */
const longestPattern = 1_000;

/**
 * The patterns of a message; none: it has none. `body` is not looked at where the pattern stands outside; `routingKey` is that
 * of the message over all its copies. Throws UnreadableBodyError.
 */
export function patternsOf(
  place: PatternPlace,
  delivery: Delivery,
  body: unknown,
  routingKey: string,
): readonly string[] {
  if (typeof place === 'function') return givenBy(called(() => place(delivery, body)));
  if (place === 'routingKey') return [routingKey];
  if (place === 'type') return checked(propertiesOf(delivery).type, 'the type');
  if (typeof place === 'object' && 'header' in place) {
    const { headers = {} } = propertiesOf(delivery);
    return checked(Object.hasOwn(headers, place.header) ? headers[place.header] : undefined, `header ${place.header}`);
  }
  const name = place === 'body' ? 'pattern' : place.field;
  return checked(fieldOf(body, name), `field "${name}"`);
}

/** Throws UnreadableBodyError. */
function givenBy(pattern: unknown): readonly string[] {
  if (isThenable(pattern)) throw new UnreadableBodyError('patternFrom gave a promise, no value');
  return checked(pattern, 'what patternFrom gave');
}

/** Throws UnreadableBodyError. */
export function payloadOf(place: PayloadPlace, body: unknown, delivery: Delivery): unknown {
  if (place === 'body') return body;
  if (typeof place !== 'function') return fieldOf(body, place === 'data' ? 'data' : place.field);
  const payload = called(() => place(body, delivery));
  if (isThenable(payload)) throw new UnreadableBodyError('payloadFrom gave a promise, no value');
  return payload;
}

/** A field of its own: what is inherited, `__proto__` above all, is none. Throws UnreadableBodyError. */
export function fieldOf(body: unknown, name: string): unknown {
  if (!isRecord(body) || !Object.hasOwn(body, name)) throw new UnreadableBodyError(`it has no field "${name}"`);
  return body[name];
}

/** The words of what the user's function throws may quote the body, so only its class is told. */
function called<Result>(place: () => Result): Result {
  try {
    return place();
  } catch (error) {
    if (error instanceof UnreadableBodyError) throw error;
    throw new UnreadableBodyError(`its layout failed with ${describeError(error).name}`, { cause: error });
  }
}

function checked(patterns: unknown, what: string): readonly string[] {
  if (patterns === undefined) return nothing;
  if (typeof patterns === 'string') return [patterns];
  const list: readonly unknown[] = Array.isArray(patterns) ? patterns : [undefined];
  if (!list.every((one) => typeof one === 'string')) throw new UnreadableBodyError(`${what} is no text`);
  if (list.some((one) => one.length > longestPattern)) {
    throw new UnreadableBodyError(`${what} is over ${String(longestPattern)} characters long`);
  }
  return list;
}

function propertiesOf(delivery: Delivery): Readonly<BasicProperties> {
  try {
    return delivery.properties;
  } catch (error) {
    throw new UnreadableBodyError(`its properties are malformed: ${describeError(error).message}`);
  }
}
