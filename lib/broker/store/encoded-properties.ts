/**
 * Changes to properties that are encoded already: what is not changed keeps its bytes, and so its types.
 *
 *   properties = flags *property        a flag for each property, the highest bit for the first
 *   headers    = long-uint *( field-name field-value )
 *
 * Pure; must not know why something is changed.
 */
import {
  ByteReader,
  ByteWriter,
  readProperties,
  writeTable,
  type BasicProperties,
  type FieldTable,
} from '../../amqp/protocol/index.js';
import { FrameSyntaxError } from '../../amqp/errors.js';

export interface PropertyEdit {
  /** Headers to take out. */
  readonly withoutHeaders?: readonly string[];
  /** Headers to put in, in place of those of the same name. */
  readonly headers?: Readonly<FieldTable>;
  readonly withoutExpiration?: boolean;
  readonly expiration?: string;
  readonly replyTo?: string;
}

const headersIndex = 2;
const replyToIndex = 6;
const expirationIndex = 7;
/** How the properties stand on the wire, in the order of their flags. */
const layout = [
  ...(['short', 'short', 'table', 'octet', 'octet', 'short', 'short', 'short', 'short'] as const),
  ...(['time', 'short', 'short', 'short', 'short'] as const),
];

/** The encoded properties after a change. */
export function editProperties(encoded: Buffer, edit: PropertyEdit): Buffer {
  const reader = new ByteReader(encoded);
  const oldFlags = reader.short();
  let flags = oldFlags;
  const set = (index: number): void => void (flags |= 0x8000 >> index);
  const pieces: Uint8Array[] = [Buffer.alloc(2)];
  for (const [index, kind] of layout.entries()) {
    const isThere = (oldFlags & (0x8000 >> index)) !== 0;
    const piece = isThere ? pieceOf(encoded, reader, kind) : undefined;
    if (index === headersIndex && (edit.headers ?? (piece && edit.withoutHeaders))) {
      pieces.push(editedHeaders(piece, edit));
      set(index);
    } else if (index === replyToIndex && edit.replyTo !== undefined) {
      pieces.push(shortString(edit.replyTo));
      set(index);
    } else if (index === expirationIndex && edit.expiration !== undefined) {
      pieces.push(shortString(edit.expiration));
      set(index);
    } else if (index === expirationIndex && edit.withoutExpiration) {
      flags &= ~(0x8000 >> index);
    } else if (piece) {
      pieces.push(piece);
    }
  }
  const edited = Buffer.concat(pieces);
  edited.writeUInt16BE(flags, 0);
  return edited;
}

/** Reads encoded properties. */
export function decodedProperties(encoded: Buffer): BasicProperties {
  return readProperties(new ByteReader(encoded));
}

function pieceOf(encoded: Buffer, reader: ByteReader, kind: (typeof layout)[number]): Buffer {
  const start = reader.position;
  if (kind === 'short') reader.skip(reader.octet());
  else if (kind === 'table') reader.skip(reader.long());
  else reader.skip(kind === 'time' ? 8 : 1);
  return encoded.subarray(start, reader.position);
}

function editedHeaders(table: Buffer | undefined, { headers = {}, withoutHeaders = [] }: PropertyEdit): Buffer {
  const entries: Buffer[] = [Buffer.alloc(4)];
  if (table) {
    const reader = new ByteReader(table);
    reader.long();
    while (reader.remaining > 0) {
      const start = reader.position;
      const name = reader.shortstr();
      skipValue(reader);
      if (!withoutHeaders.includes(name) && !Object.hasOwn(headers, name)) {
        entries.push(table.subarray(start, reader.position));
      }
    }
  }
  const writer = new ByteWriter();
  writer.begin();
  writeTable(writer, headers, 'headers');
  writer.commit();
  entries.push(Buffer.concat(writer.take()).subarray(4));
  const edited = Buffer.concat(entries);
  edited.writeUInt32BE(edited.length - 4, 0);
  return edited;
}

function shortString(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

/** Bytes of the values that have a fixed size, by type tag. */
const fixedSizes: Readonly<Record<string, number>> = {
  ...{ t: 1, b: 1, B: 1, s: 2, u: 2, I: 4, i: 4, l: 8, L: 8, f: 4, d: 8, D: 5, T: 8, V: 0 },
};

function skipValue(reader: ByteReader): void {
  const tag = String.fromCharCode(reader.octet());
  const size = fixedSizes[tag];
  if (size !== undefined) reader.skip(size);
  else if ('SxAF'.includes(tag)) reader.skip(reader.long());
  else throw new FrameSyntaxError(`unknown field type '${tag}'`);
}
