/**
 * What a 406 says of a declare: in which argument it differs, and how the broker has it. Must not know plans or channels.
 */
import type { AmqpError } from '../errors.js';
import type { FieldTable, FieldValue } from '../protocol/index.js';
import type { Difference } from './planned-entity.js';

/** RabbitMQ's names of what is no argument. */
const propertyNames: Readonly<Record<string, string>> = { auto_delete: 'autoDelete' };

const inequivalent = /inequivalent arg '([^']+)' for .*: received (.*) but current is (.*?)(?: \([a-z.]+\))?$/s;
const typedValue = /^the value '(.*)' of type '([a-z]+)'$/s;
const bareValue = /^'(.*)'$/s;

/**
 * "inequivalent arg 'x-expires' for queue 'q' in vhost '/': received none but current is the value '5' of type 'long'".
 * Undefined where it says something else, or a value that cannot be read back (a table).
 */
export function readDifference(error: AmqpError, attempt: Readonly<Record<string, unknown>>): Difference | undefined {
  const [, argument, , current] = inequivalent.exec(error.replyText ?? '') ?? [];
  if (argument === undefined || current === undefined) return undefined;
  const property = propertyNames[argument] ?? argument;
  const isProperty = Object.hasOwn(attempt, property);
  const table = attempt['arguments'] as FieldTable;
  const declared = isProperty ? attempt[property] : Object.hasOwn(table, argument) ? table[argument] : undefined;
  const onBroker = readValue(current, declared as FieldValue | undefined);
  if (onBroker === null) return undefined;
  return { argument: property, declared: declared as FieldValue | undefined, onBroker };
}

/** Null where it cannot be read. A value without a type has the declared one's. */
function readValue(text: string, declared: FieldValue | undefined): FieldValue | undefined {
  if (text === 'none') return undefined;
  const [, typed, type] = typedValue.exec(text) ?? [];
  if (typed !== undefined && type !== undefined) {
    if (type === 'longstr') return typed;
    if (type === 'bool') return typed === 'true';
    return readNumber(typed);
  }
  const [, bare] = bareValue.exec(text) ?? [];
  if (bare === undefined) return null;
  if (typeof declared === 'boolean') return bare === 'true';
  if (typeof declared === 'number' || typeof declared === 'bigint') return readNumber(bare) ?? bare;
  return bare;
}

function readNumber(text: string): FieldValue {
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : null;
}

/** The declare with the broker's value: it names the next argument that differs. */
export function withBrokersValue(
  attempt: Readonly<Record<string, unknown>>,
  { argument, onBroker }: Difference,
): Readonly<Record<string, unknown>> {
  if (Object.hasOwn(attempt, argument)) return { ...attempt, [argument]: onBroker };
  const { [argument]: _, ...table } = attempt['arguments'] as FieldTable;
  return { ...attempt, arguments: onBroker === undefined ? table : { ...table, [argument]: onBroker } };
}
