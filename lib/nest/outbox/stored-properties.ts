/**
 * Properties of a message as text, and back, without loss: JSON, in which what JSON has no word for is an object with one name
 * that begins with `$`.
 */
import { ArgumentError, TypedField, type FieldType, type PublishProperties } from '../../amqp/index.js';

/** As deep as the client lets tables nest. */
const mostDepth = 64;

/** Throws ArgumentError, which names the path, for what no message can carry. */
export function writeProperties(properties: PublishProperties): string {
  return JSON.stringify(write(properties, 'properties', 0));
}

export function readProperties(text: string): PublishProperties {
  return read(JSON.parse(text)) as PublishProperties;
}

function write(value: unknown, path: string, depth: number): unknown {
  if (depth > mostDepth) throw new ArgumentError(path, `nested deeper than ${String(mostDepth)}`);
  switch (typeof value) {
    case 'string':
      assertText(value, path);
      return value;
    case 'boolean':
      return value;
    case 'undefined':
      return null;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $number: Object.is(value, -0) ? '-0' : String(value) };
    case 'bigint':
      return { $bigint: String(value) };
    case 'object':
      return value === null ? null : writeObject(value, path, depth);
    default:
      throw new ArgumentError(path, `is a ${typeof value}, which no message can carry`);
  }
}

function writeObject(value: object, path: string, depth: number): unknown {
  if (value instanceof Date) return { $date: value.getTime() };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  if (value instanceof TypedField) {
    return { $typed: [value.type, write(value.value, `${path}.value`, depth + 1), value.scale] };
  }
  if (Array.isArray(value)) {
    return value.map((entry: unknown, index) => write(entry, `${path}[${String(index)}]`, depth + 1));
  }
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  const table = Object.fromEntries(
    entries.map(([name, entry]) => {
      assertText(name, path);
      return [name, write(entry, `${path}.${name}`, depth + 1)] as const;
    }),
  );
  return entries.some(([name]) => name.startsWith('$')) ? { $table: table } : table;
}

/** It would be refused when it is published, long after the transaction was committed. */
function assertText(value: string, path: string): void {
  if (/\p{Surrogate}/u.test(value)) throw new ArgumentError(path, 'holds a lone surrogate, which UTF-8 cannot say');
}

function read(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as unknown[]).map(read);
  const [[name, entry] = ['', undefined]] = Object.entries(value);
  switch (name) {
    case '$number':
      return Number(entry);
    case '$bigint':
      return BigInt(String(entry));
    case '$date':
      return new Date(Number(entry));
    case '$bytes':
      return Buffer.from(String(entry), 'base64');
    case '$typed': {
      const [type, number, scale] = entry as [FieldType, unknown, number];
      return new TypedField(type, read(number) as number | bigint, scale);
    }
    case '$table':
      return readTable(entry as object);
    default:
      return readTable(value);
  }
}

function readTable(table: object): object {
  return Object.fromEntries(Object.entries(table).map(([name, entry]) => [name, read(entry)]));
}
