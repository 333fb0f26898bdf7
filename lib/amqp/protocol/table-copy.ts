/**
 * Takes over a user's field table: what cannot be encoded is found at once, and what is kept for later (recovery, a
 * publish that waits) no longer changes when the user changes it. Must not know what the table is for.
 */
import { ByteWriter } from './byte-writer.js';
import { TypedField, writeTable, type FieldTable, type FieldValue } from './field-table.js';

/** No broker takes a frame of this many bytes; what needs more is refused before it fills the memory. */
const maximumTableSize = 16 * 1024 * 1024;

/** A copy down to the leaves. Throws ArgumentError for what cannot be encoded; `path` names the table in it. */
export function copyTable(table: Readonly<FieldTable>, path: string): FieldTable {
  if (!Array.isArray(table) && Object.keys(table).length === 0) return {};
  const trial = new ByteWriter(512);
  trial.maximumUnit = maximumTableSize;
  writeTable(trial, table, path);
  return copyFields(table);
}

function copyFields(table: Readonly<FieldTable>): FieldTable {
  // Object.fromEntries defines its fields: `__proto__` is one like any other.
  return Object.fromEntries(Object.entries(table).map(([name, value]) => [name, copyValue(value)]));
}

/** What was encoded for a trial is one of these, and nests no deeper than it may. */
function copyValue(value: FieldValue): FieldValue {
  if (typeof value !== 'object' || value === null || value instanceof TypedField) return value;
  if (value instanceof Date) return new Date(value);
  if (ArrayBuffer.isView(value)) return Buffer.from(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  if (Array.isArray(value)) return (value as readonly FieldValue[]).map(copyValue);
  return copyFields(value as FieldTable);
}
