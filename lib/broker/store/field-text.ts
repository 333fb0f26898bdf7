/**
 * Field values as text: one spelling for comparing argument tables, and RabbitMQ's own for its reply texts.
 *
 * Pure; must not know what the values mean.
 */
import { TypedField, type FieldTable, type FieldValue } from '../../amqp/protocol/index.js';

/** The same text for tables that mean the same, whatever the order of their names. */
export function canonicalTable(table: Readonly<FieldTable>): string {
  return Object.keys(table)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalValue(table[name])}`)
    .join(',');
}

function canonicalValue(value: FieldValue): string {
  if (value === null || value === undefined) return 'void';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object') return `${typeof value === 'boolean' ? 'b' : 'n'}${String(value)}`;
  if (value instanceof Date) return `t${String(value.getTime())}`;
  if (value instanceof TypedField) return `${value.type}${String(value.value)}/${String(value.scale)}`;
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return `[${(value as readonly FieldValue[]).map(canonicalValue).join(',')}]`;
  return `{${canonicalTable(value as FieldTable)}}`;
}

/** Whether two values of one argument are equivalent. */
export function areEqualFields(left: FieldValue, right: FieldValue): boolean {
  return canonicalValue(left) === canonicalValue(right);
}

/** How RabbitMQ names two values that differ in a refusal. */
export function describedDifference(received: FieldValue, current: FieldValue): { received: string; current: string } {
  if (received !== undefined && current !== undefined) {
    return { received: `'${plainText(received)}'`, current: `'${plainText(current)}'` };
  }
  return { received: describedField(received), current: describedField(current) };
}

/** `none`, or `the value '10' of type 'signedint'`. */
function describedField(value: FieldValue): string {
  if (value === undefined) return 'none';
  return `the value '${plainText(value)}' of type '${typeName(value)}'`;
}

/** A value as RabbitMQ prints it in a refusal. */
export function plainText(value: FieldValue): string {
  return typeof value === 'string' ? value : termText(value);
}

/** As an Erlang term. */
function termText(value: FieldValue): string {
  if (typeof value === 'string') return `<<"${value}">>`;
  if (value === null || value === undefined) return 'undefined';
  if (typeof value !== 'object') return String(value);
  const typed = (item: FieldValue): string => `${typeName(item)},${termText(item)}`;
  if (Array.isArray(value)) return `[${(value as readonly FieldValue[]).map((item) => `{${typed(item)}}`).join(',')}]`;
  if (value instanceof Date || value instanceof TypedField || value instanceof Uint8Array) return canonicalValue(value);
  const entries = Object.entries(value as FieldTable);
  return `[${entries.map(([name, item]) => `{<<"${name}">>,${typed(item)}}`).join(',')}]`;
}

/** RabbitMQ's name of a field type. An integer's width on the wire is not known here: it goes by its value. */
export function typeName(value: FieldValue): string {
  switch (typeof value) {
    case 'string':
      return 'longstr';
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'long';
    case 'number':
      if (!Number.isInteger(value)) return 'double';
      return value >= -0x8000_0000 && value <= 0x7fff_ffff ? 'signedint' : 'long';
    default:
      if (value instanceof Date) return 'timestamp';
      if (value instanceof Uint8Array) return 'binary';
      if (Array.isArray(value)) return 'array';
      return value === null ? 'void' : 'table';
  }
}
