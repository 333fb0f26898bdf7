/**
 * Field tables, both ways, with every type tag RabbitMQ knows.
 *
 *   field-table = long-uint *( field-name field-value )        field-name = short-string
 *   field-value = 't' boolean | 'b' int8 | 'B' uint8 | 's' int16 | 'u' uint16 | 'I' int32 | 'i' uint32
 *               | 'l' int64 | 'L' int64 | 'f' float | 'd' double | 'D' decimal | 'S' long-string | 'x' byte-array
 *               | 'A' field-array | 'T' timestamp | 'F' field-table | 'V' no-value
 *
 * RabbitMQ reads 's' as int16 and both 'l' and 'L' as signed 64-bit (its AMQP 0-9-1 errata), and so do we.
 */
import { ArgumentError, FrameSyntaxError, messageOf } from '../errors.js';
import type { ByteReader } from './byte-reader.js';
import type { ByteWriter } from './byte-writer.js';

/** Explicit wire types, for receivers that insist on one. */
export type FieldType =
  'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'float' | 'double' | 'decimal' | 'timestamp';

/**
 * A value with its wire type said, for instance `new TypedField('int8', 5)`.
 *
 * Written as said. Read back as `TypedField` only where a plain JavaScript value would lose something: decimals
 * (`{ scale, value }`: value / 10^scale) and timestamps that no Date can hold.
 */
export class TypedField {
  constructor(
    readonly type: FieldType,
    /** The number; for `decimal` the unscaled unsigned 32-bit value; for `timestamp` seconds since 1970. */
    readonly value: number | bigint,
    /** Digits after the decimal point, `decimal` only (0 to 255). */
    readonly scale = 0,
  ) {}
}

/** What may stand in a field table. Numbers: an integer of 32 bits is `I`, of 53 bits `l`, any other a double. */
export type FieldValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | Date
  | Uint8Array
  | TypedField
  | readonly FieldValue[]
  | { readonly [name: string]: FieldValue };

/** A field table: queue and consumer arguments, message headers, client properties. `undefined` is left out. */
export type FieldTable = Record<string, FieldValue>;

/** Tables and arrays may nest this deep, both ways. */
export const maximumFieldDepth = 64;

const tag = (character: string): number => character.charCodeAt(0);
const tags = {
  boolean: tag('t'),
  int8: tag('b'),
  uint8: tag('B'),
  int16: tag('s'),
  uint16: tag('u'),
  int32: tag('I'),
  uint32: tag('i'),
  int64: tag('l'),
  int64Alias: tag('L'),
  float: tag('f'),
  double: tag('d'),
  decimal: tag('D'),
  longString: tag('S'),
  byteArray: tag('x'),
  array: tag('A'),
  timestamp: tag('T'),
  table: tag('F'),
  void: tag('V'),
} as const;

const minimumInt64 = -(2n ** 63n);
const maximumInt64 = 2n ** 63n - 1n;
const latestDateSeconds = 8_640_000_000_000n;

// --- writing --------------------------------------------------------------------------------------

/** Writes a table; `path` names it in errors, as in `headers.x-limits[2]: ...`. */
export function writeTable(writer: ByteWriter, table: Readonly<FieldTable>, path: string, depth = 0): void {
  if (depth >= maximumFieldDepth) throw new ArgumentError(path, `nested deeper than ${String(maximumFieldDepth)}`);
  if (typeof table !== 'object' || (table as unknown) === null || Array.isArray(table)) {
    throw new ArgumentError(path, 'must be an object');
  }
  writer.reserve(4);
  const start = writer.positionInUnit;
  writer.long(0);
  for (const name of Object.keys(table)) {
    const fieldPath = `${path}.${name}`;
    const value = readField(table, name, fieldPath);
    if (value === undefined) continue;
    writer.shortstr(name, `name of ${fieldPath.slice(0, 100)}`);
    writeValue(writer, value, fieldPath, depth);
  }
  writer.patchLong(start, writer.positionInUnit - start - 4);
}

/** A getter of the user's may throw. */
function readField(table: Readonly<FieldTable>, name: string, path: string): FieldValue {
  try {
    return table[name];
  } catch (error) {
    throw new ArgumentError(path, `could not be read: ${messageOf(error)}`, { cause: error });
  }
}

function writeArray(writer: ByteWriter, values: readonly FieldValue[], path: string, depth: number): void {
  if (depth >= maximumFieldDepth) throw new ArgumentError(path, `nested deeper than ${String(maximumFieldDepth)}`);
  // A value takes a byte at least: a list that no frame could hold is refused before it is walked.
  writer.reserve(4 + values.length);
  const start = writer.positionInUnit;
  writer.long(0);
  for (let index = 0; index < values.length; index++) {
    writeValue(writer, values[index] ?? null, `${path}[${String(index)}]`, depth);
  }
  writer.patchLong(start, writer.positionInUnit - start - 4);
}

function writeValue(writer: ByteWriter, value: FieldValue, path: string, depth: number): void {
  switch (typeof value) {
    case 'string':
      writer.octet(tags.longString);
      writer.longstr(value, path);
      return;
    case 'number':
      writeNumber(writer, value, path);
      return;
    case 'boolean':
      writer.octet(tags.boolean);
      writer.octet(value ? 1 : 0);
      return;
    case 'bigint':
      writeTyped(writer, new TypedField('int64', value), path);
      return;
    case 'object':
      writeObject(writer, value, path, depth);
      return;
    default:
      throw new ArgumentError(path, `a ${typeof value} cannot be encoded`);
  }
}

function writeNumber(writer: ByteWriter, value: number, path: string): void {
  checkFinite(value, path);
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    writer.octet(tags.double);
    writer.double(value);
  } else if (value >= -0x8000_0000 && value <= 0x7fff_ffff) {
    writer.octet(tags.int32);
    writer.long(value);
  } else {
    writer.octet(tags.int64);
    writer.bigInt64(BigInt(value));
  }
}

/** RabbitMQ closes the connection (541) over a number that is none. */
function checkFinite(value: number, path: string): number {
  if (!Number.isFinite(value)) throw new ArgumentError(path, `${String(value)} cannot be encoded`);
  return value;
}

function writeObject(
  writer: ByteWriter,
  value: Exclude<FieldValue, undefined> & (object | null),
  path: string,
  depth: number,
): void {
  if (value === null) {
    writer.octet(tags.void);
  } else if (value instanceof TypedField) {
    writeTyped(writer, value, path);
  } else if (value instanceof Date) {
    const seconds = Math.floor(value.getTime() / 1000);
    if (!(seconds >= 0)) throw new ArgumentError(path, 'a timestamp must be a valid date from 1970 on');
    writer.octet(tags.timestamp);
    writer.longlong(seconds);
  } else if (ArrayBuffer.isView(value)) {
    writer.octet(tags.byteArray);
    writer.longstr(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  } else if (Array.isArray(value)) {
    writer.octet(tags.array);
    writeArray(writer, value as readonly FieldValue[], path, depth + 1);
  } else {
    // A Map, a Set, an Error, an ArrayBuffer: it has no fields of its own and would arrive empty.
    const kind = Object.prototype.toString.call(value).slice(8, -1);
    if (kind !== 'Object') throw new ArgumentError(path, `a ${kind} cannot be encoded`);
    writer.octet(tags.table);
    writeTable(writer, value as FieldTable, path, depth + 1);
  }
}

function writeTyped(writer: ByteWriter, field: TypedField, path: string): void {
  const integer = (minimum: number, maximum: number): number => {
    const value = Number(field.value);
    if (!Number.isInteger(value) || value < minimum || value > maximum) {
      throw new ArgumentError(path, `${String(field.value)} does not fit into ${field.type}`);
    }
    return value;
  };
  const wide = (minimum: bigint, maximum: bigint): bigint => {
    if (typeof field.value === 'number' && !Number.isInteger(field.value)) {
      throw new ArgumentError(path, `${String(field.value)} is not an integer`);
    }
    const value = BigInt(field.value);
    if (value < minimum || value > maximum) {
      throw new ArgumentError(path, `${String(value)} does not fit into ${field.type}`);
    }
    return value;
  };
  switch (field.type) {
    case 'int8': {
      const value = integer(-0x80, 0x7f);
      writer.octet(tags.int8);
      writer.octet(value & 0xff);
      return;
    }
    case 'uint8': {
      const value = integer(0, 0xff);
      writer.octet(tags.uint8);
      writer.octet(value);
      return;
    }
    case 'int16': {
      const value = integer(-0x8000, 0x7fff);
      writer.octet(tags.int16);
      writer.short(value & 0xffff);
      return;
    }
    case 'uint16': {
      const value = integer(0, 0xffff);
      writer.octet(tags.uint16);
      writer.short(value);
      return;
    }
    case 'int32': {
      const value = integer(-0x8000_0000, 0x7fff_ffff);
      writer.octet(tags.int32);
      writer.long(value);
      return;
    }
    case 'uint32': {
      const value = integer(0, 0xffff_ffff);
      writer.octet(tags.uint32);
      writer.long(value);
      return;
    }
    case 'int64': {
      const value = wide(minimumInt64, maximumInt64);
      writer.octet(tags.int64);
      writer.bigInt64(value);
      return;
    }
    case 'timestamp': {
      const value = wide(0n, 2n ** 64n - 1n);
      writer.octet(tags.timestamp);
      writer.bigInt64(BigInt.asIntN(64, value));
      return;
    }
    case 'float':
      writer.octet(tags.float);
      writer.float(checkFinite(Number(field.value), path));
      return;
    case 'double':
      writer.octet(tags.double);
      writer.double(checkFinite(Number(field.value), path));
      return;
    case 'decimal': {
      const value = integer(0, 0xffff_ffff);
      if (!Number.isInteger(field.scale) || field.scale < 0 || field.scale > 255) {
        throw new ArgumentError(path, `a decimal's scale must be from 0 to 255, not ${String(field.scale)}`);
      }
      writer.octet(tags.decimal);
      writer.octet(field.scale);
      writer.long(value);
      return;
    }
    default:
      throw new ArgumentError(path, `unknown field type ${String(field.type)}`);
  }
}

// --- reading --------------------------------------------------------------------------------------

export function readTable(reader: ByteReader, depth = 0): FieldTable {
  if (depth >= maximumFieldDepth) {
    throw new FrameSyntaxError(`a field table is nested deeper than ${String(maximumFieldDepth)}`);
  }
  const content = reader.nested(reader.long());
  const table: FieldTable = {};
  while (content.remaining > 0) {
    const name = content.shortstr();
    const value = readValue(content, depth);
    if (name === '__proto__') {
      // A plain assignment would set the prototype; this makes it a field like any other.
      Object.defineProperty(table, name, { value, enumerable: true, writable: true, configurable: true });
    } else {
      table[name] = value;
    }
  }
  return table;
}

function readArray(reader: ByteReader, depth: number): FieldValue[] {
  if (depth >= maximumFieldDepth) {
    throw new FrameSyntaxError(`a field array is nested deeper than ${String(maximumFieldDepth)}`);
  }
  const content = reader.nested(reader.long());
  const values: FieldValue[] = [];
  while (content.remaining > 0) values.push(readValue(content, depth));
  return values;
}

function readValue(reader: ByteReader, depth: number): FieldValue {
  const type = reader.octet();
  switch (type) {
    case tags.longString:
      return reader.longstr();
    case tags.int32:
      return reader.int32();
    case tags.boolean:
      return reader.octet() !== 0;
    case tags.table:
      return readTable(reader, depth + 1);
    case tags.array:
      return readArray(reader, depth + 1);
    case tags.int64:
    case tags.int64Alias: {
      const value = reader.bigInt64();
      const narrow = Number(value);
      return Number.isSafeInteger(narrow) ? narrow : value;
    }
    case tags.timestamp: {
      const seconds = reader.bigUInt64();
      return seconds > latestDateSeconds ? new TypedField('timestamp', seconds) : new Date(Number(seconds) * 1000);
    }
    case tags.double:
      return reader.double();
    case tags.float:
      return reader.float();
    case tags.byteArray:
      // A copy: a header must not keep a whole network chunk alive.
      return Buffer.from(reader.view(reader.long()));
    case tags.void:
      return null;
    case tags.int8:
      return reader.int8();
    case tags.uint8:
      return reader.octet();
    case tags.int16:
      return reader.int16();
    case tags.uint16:
      return reader.short();
    case tags.uint32:
      return reader.long();
    case tags.decimal: {
      const scale = reader.octet();
      return new TypedField('decimal', reader.long(), scale);
    }
    default:
      throw new FrameSyntaxError(`unknown field type 0x${type.toString(16).padStart(2, '0')} in a field table`);
  }
}
