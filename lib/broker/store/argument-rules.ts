/**
 * What each type of queue knows of x-arguments, and how RabbitMQ checks one: rabbit_amqqueue's validators, in their
 * order, with the Erlang terms that stand in its refusals.
 *
 * Pure; what the arguments mean is queue-arguments.ts.
 */
import type { FieldTable, FieldValue } from '../../amqp/protocol/index.js';
import { typeName } from './field-text.js';

export type QueueType = 'classic' | 'quorum';

/** By type of queue, in the order in which two declarations are compared. */
export interface KnownArguments {
  readonly classic: readonly string[];
  readonly quorum: readonly string[];
  readonly stream: readonly string[];
}

export const knownArguments310: KnownArguments = {
  classic: [
    ...['x-expires', 'x-message-ttl', 'x-dead-letter-exchange', 'x-dead-letter-routing-key', 'x-max-length'],
    ...['x-max-length-bytes', 'x-max-priority', 'x-overflow', 'x-queue-mode', 'x-queue-version'],
    ...['x-single-active-consumer', 'x-queue-type', 'x-queue-master-locator'],
  ],
  quorum: [
    ...['x-dead-letter-exchange', 'x-dead-letter-routing-key', 'x-dead-letter-strategy', 'x-expires', 'x-max-length'],
    ...['x-max-length-bytes', 'x-max-in-memory-length', 'x-max-in-memory-bytes', 'x-overflow'],
    ...['x-single-active-consumer', 'x-queue-type', 'x-quorum-initial-group-size', 'x-delivery-limit'],
    ...['x-message-ttl', 'x-queue-leader-locator'],
  ],
  stream: [
    ...['x-max-length-bytes', 'x-queue-type', 'x-max-age', 'x-stream-max-segment-size-bytes'],
    ...['x-initial-cluster-size', 'x-queue-leader-locator'],
  ],
};

export const knownArguments43: KnownArguments = {
  classic: [...knownArguments310.classic, 'x-queue-leader-locator'],
  quorum: [
    ...knownArguments310.quorum,
    ...['x-consumer-disconnected-timeout', 'x-consumer-timeout'],
    ...['x-delayed-retry-type', 'x-delayed-retry-min', 'x-delayed-retry-max'],
  ],
  stream: [...knownArguments310.stream, 'x-stream-filter-size-bytes'],
};

/** What is wrong with a value, as RabbitMQ prints it; undefined: nothing. */
type Check = (value: FieldValue, table: Readonly<FieldTable>) => string | undefined;

/** Ten years in milliseconds. */
const longestExpiry = 315_360_000_000;

const isInteger = (value: FieldValue): value is number | bigint =>
  typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value));

const integer = (value: FieldValue): string | undefined =>
  isInteger(value) ? undefined : `"expected integer, got ${typeName(value)}"`;

/** As Erlang prints it. */
const shown = (value: FieldValue): string => (isInteger(value) ? String(value) : '');

const atLeastZero = (value: FieldValue): string | undefined =>
  integer(value) ?? (Number(value) < 0 ? `{value_negative,${shown(value)}}` : undefined);

const atLeastOne = (value: FieldValue): string | undefined =>
  atLeastZero(value) ?? (Number(value) === 0 ? '{value_zero,0}' : undefined);

const time = (value: FieldValue): string | undefined =>
  atLeastZero(value) ?? (Number(value) > longestExpiry ? `{value_too_large,${shown(value)}}` : undefined);

const expires = (value: FieldValue): string | undefined =>
  isInteger(value) && Number(value) === 0 ? '{value_zero,0}' : time(value);

const unacceptable = (value: FieldValue): string => `{unacceptable_type,${typeName(value)}}`;

const boolean = (value: FieldValue): string | undefined =>
  typeof value === 'boolean' ? undefined : unacceptable(value);

const oneOf =
  (known: readonly string[], refusal: (value: string) => string): Check =>
  (value) => {
    if (typeof value !== 'string') return unacceptable(value);
    return known.includes(value) ? undefined : refusal(value);
  };

const deadLetterRoutingKey: Check = (value, table) => {
  if (typeof value !== 'string') return unacceptable(value);
  return table['x-dead-letter-exchange'] === undefined ? 'routing_key_but_no_dlx_defined' : undefined;
};

const maximumPriority: Check = (value) =>
  atLeastZero(value) ?? (Number(value) > 255 ? `{max_value_exceeded,${shown(value)}}` : undefined);

const queueVersion =
  (known: readonly number[]): Check =>
  (value) =>
    atLeastZero(value) ?? (known.includes(Number(value)) ? undefined : `"unsupported queue version '${shown(value)}'"`);

const maximumAge: Check = (value) => {
  if (typeof value !== 'string') return unacceptable(value);
  return /^0*[1-9]\d*[YMDhms]$/.test(value) ? undefined : 'invalid_max_age';
};

/** The type of a queue is checked before all else: it decides what else is known. */
export const queueTypeCheck = oneOf(['classic', 'quorum', 'stream'], (type) => `"unsupported queue type '${type}'"`);

const common: readonly (readonly [name: string, check: Check])[] = [
  ['x-expires', expires],
  ['x-message-ttl', time],
  // Strings only: a wrong one was refused before.
  ['x-dead-letter-exchange', (value) => (typeof value === 'string' ? undefined : unacceptable(value))],
  ['x-dead-letter-routing-key', deadLetterRoutingKey],
  ['x-dead-letter-strategy', oneOf(['at-most-once', 'at-least-once'], () => 'invalid_dlx_strategy')],
  ['x-max-length', atLeastZero],
  ['x-max-length-bytes', atLeastZero],
  ['x-max-in-memory-length', atLeastZero],
  ['x-max-in-memory-bytes', atLeastZero],
  ['x-max-priority', maximumPriority],
  ['x-overflow', oneOf(['drop-head', 'reject-publish', 'reject-publish-dlx'], () => 'invalid_overflow')],
];

const last: typeof common = [
  ['x-quorum-initial-group-size', atLeastOne],
  ['x-max-age', maximumAge],
  ['x-stream-max-segment-size-bytes', atLeastZero],
  ['x-stream-filter-size-bytes', atLeastZero],
  ['x-initial-cluster-size', atLeastOne],
  [
    'x-queue-leader-locator',
    oneOf(['client-local', 'balanced', 'random', 'least-leaders'], () => 'invalid_queue_locator_arg'),
  ],
];

/** In the order in which RabbitMQ 3.10 goes through them. */
export const argumentChecks310: typeof common = [
  ...common,
  ['x-queue-mode', oneOf(['default', 'lazy'], (mode) => `"unsupported queue mode '${mode}'"`)],
  ['x-queue-version', queueVersion([1, 2])],
  ['x-single-active-consumer', boolean],
  ...last.filter(([name]) => name !== 'x-stream-filter-size-bytes'),
];

export const argumentChecks43: typeof common = [
  ...common,
  ['x-queue-version', queueVersion([2])],
  ['x-single-active-consumer', boolean],
  ['x-consumer-timeout', atLeastZero],
  ['x-consumer-disconnected-timeout', atLeastZero],
  ...last,
];

export type ArgumentChecks = typeof common;
