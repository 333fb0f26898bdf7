/**
 * The one output buffer of a connection: frames are encoded straight into it and taken out together.
 *
 * Knows bytes and AMQP's elementary types; must not know frames, methods or sockets.
 *
 * Units: `begin` opens a unit (one or more frames that belong together), `commit` seals it, `rollback` drops
 * it, so that a value which cannot be encoded leaves no half frame behind.
 */
import { ArgumentError } from '../errors.js';
import type { Domain } from './spec.js';

const slabSize = 64 * 1024;
/** What a writer begins with: many connections hardly write. */
const firstSlabSize = 2 * 1024;
/** Strings up to this length are copied by a loop, which is faster than a call into C++. */
const shortLoop = 32;

export class ByteWriter {
  #buffer: Buffer;
  #position = 0;
  /** Everything before this offset of the present slab was handed out or queued. */
  #taken = 0;
  /** Start of the open unit in the present slab. */
  #unitStart = 0;
  /** The open unit may grow to about this many bytes, so that what no frame could hold is not encoded to its end. */
  maximumUnit = Infinity;
  /** Sealed chunks that precede the present slab's bytes. */
  #chunks: Uint8Array[] = [];
  #chunkBytes = 0;

  /** `size` in bytes: what is set aside for the start. */
  constructor(size = firstSlabSize) {
    this.#buffer = Buffer.allocUnsafeSlow(size);
  }

  /** Bytes waiting to be taken. */
  get length(): number {
    return this.#chunkBytes + this.#unitStart - this.#taken;
  }

  begin(): void {
    this.#unitStart = this.#position;
  }

  commit(): void {
    this.#unitStart = this.#position;
  }

  rollback(): void {
    this.#position = this.#unitStart;
  }

  /** Takes out everything that is sealed, as chunks to write in order; the writer can go on at once. */
  take(): Uint8Array[] {
    const chunks = this.#chunks;
    if (this.#unitStart > this.#taken) chunks.push(this.#buffer.subarray(this.#taken, this.#unitStart));
    this.#taken = this.#unitStart;
    if (chunks.length > 0) this.#chunks = [];
    this.#chunkBytes = 0;
    return chunks;
  }

  /** Position for a later patch, valid only until the next call that may grow the unit; see `positionInUnit`. */
  get positionInUnit(): number {
    return this.#position - this.#unitStart;
  }

  /** A copy of what the open unit holds from a position on. */
  copyFrom(positionInUnit: number): Uint8Array {
    return new Uint8Array(this.#buffer.subarray(this.#unitStart + positionInUnit, this.#position));
  }

  patchLong(positionInUnit: number, value: number): void {
    this.#buffer.writeUInt32BE(value, this.#unitStart + positionInUnit);
  }

  patchShort(positionInUnit: number, value: number): void {
    this.#buffer.writeUInt16BE(value, this.#unitStart + positionInUnit);
  }

  /** Makes room for `size` more bytes, moving the open unit to a new slab where the present one is too small. */
  reserve(size: number): void {
    if (this.#position + size > this.#buffer.length) this.#grow(size);
  }

  #grow(size: number): void {
    const unit = this.#buffer.subarray(this.#unitStart, this.#position);
    if (unit.length + size > this.maximumUnit) {
      throw new ArgumentError('fields', `need more than ${String(this.maximumUnit)} bytes, which no frame can hold`);
    }
    if (this.#unitStart > this.#taken) this.#push(this.#buffer.subarray(this.#taken, this.#unitStart));
    const slab = Buffer.allocUnsafeSlow(Math.max(slabSize, (unit.length + size) * 2));
    unit.copy(slab, 0);
    this.#buffer = slab;
    this.#taken = 0;
    this.#unitStart = 0;
    this.#position = unit.length;
  }

  #push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#chunkBytes += chunk.length;
  }

  /**
   * Appends bytes by reference. Seals the unit up to here, so that nothing after this call may throw or roll back.
   * The caller must not change the bytes until they are written.
   */
  reference(bytes: Uint8Array): void {
    if (this.#position > this.#taken) this.#push(this.#buffer.subarray(this.#taken, this.#position));
    this.#taken = this.#position;
    this.#unitStart = this.#position;
    this.#push(bytes);
  }

  octet(value: number): void {
    this.reserve(1);
    this.#buffer[this.#position++] = value;
  }

  short(value: number): void {
    this.reserve(2);
    const buffer = this.#buffer;
    buffer[this.#position++] = value >>> 8;
    buffer[this.#position++] = value;
  }

  long(value: number): void {
    this.reserve(4);
    const buffer = this.#buffer;
    buffer[this.#position++] = value >>> 24;
    buffer[this.#position++] = value >>> 16;
    buffer[this.#position++] = value >>> 8;
    buffer[this.#position++] = value;
  }

  /** An unsigned 64-bit integer given as a number of up to 2^53 - 1. */
  longlong(value: number): void {
    this.long(Math.floor(value / 0x1_0000_0000));
    this.long(value >>> 0);
  }

  bigInt64(value: bigint): void {
    this.reserve(8);
    this.#position = this.#buffer.writeBigInt64BE(value, this.#position);
  }

  float(value: number): void {
    this.reserve(4);
    this.#position = this.#buffer.writeFloatBE(value, this.#position);
  }

  double(value: number): void {
    this.reserve(8);
    this.#position = this.#buffer.writeDoubleBE(value, this.#position);
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length);
    this.#buffer.set(value, this.#position);
    this.#position += value.length;
  }

  /** Length in one octet, then UTF-8. `name` names the field in the error. */
  shortstr(value: string, name: string): void {
    const characters = value.length;
    if (characters <= shortLoop) {
      this.reserve(1 + shortLoop * 3);
      const buffer = this.#buffer;
      const start = this.#position + 1;
      let index = 0;
      for (; index < characters; index++) {
        const code = value.charCodeAt(index);
        if (code > 0x7f) break;
        buffer[start + index] = code;
      }
      if (index < characters) checkText(value, name);
      const length = index === characters ? characters : buffer.write(value, start, 'utf8');
      buffer[start - 1] = length;
      this.#position = start + length;
      return;
    }
    const length = Buffer.byteLength(value);
    if (length > 255) throw new ArgumentError(name, `is ${String(length)} bytes long; AMQP allows 255`);
    if (length !== characters) checkText(value, name);
    this.reserve(1 + length);
    this.#buffer[this.#position++] = length;
    this.#position += this.#buffer.write(value, this.#position, 'utf8');
  }

  /** Length in four octets, then UTF-8 or the bytes given. `name` names the field in the error. */
  longstr(value: string | Uint8Array, name = 'text'): void {
    if (typeof value !== 'string') {
      this.long(value.length);
      this.bytes(value);
      return;
    }
    const length = Buffer.byteLength(value);
    if (length !== value.length) checkText(value, name);
    this.reserve(4 + length);
    this.long(length);
    this.#position += this.#buffer.write(value, this.#position, 'utf8');
  }
}

const loneSurrogate = /\p{Surrogate}/u;

/** A lone surrogate would arrive as another text (U+FFFD), and a name would be another name. */
export function checkText(value: string, name: string): void {
  if (loneSurrogate.test(value)) throw new ArgumentError(name, 'holds a lone surrogate, which UTF-8 cannot say');
}

const integerLimits: Partial<Record<Domain, number>> = {
  octet: 0xff,
  short: 0xffff,
  long: 0xffff_ffff,
  longlong: Number.MAX_SAFE_INTEGER,
};

/** Checks an unsigned integer field before it is written. */
export function checkInteger(value: number, domain: 'octet' | 'short' | 'long' | 'longlong', name: string): number {
  const limit = integerLimits[domain] ?? 0;
  if (!Number.isInteger(value) || value < 0 || value > limit) {
    throw new ArgumentError(name, `must be an integer from 0 to ${String(limit)}, not ${String(value)}`);
  }
  return value;
}

/** Checks a timestamp property and gives its seconds since 1970. */
export function checkTimestamp(value: Date, name: string): number {
  const seconds = value instanceof Date ? Math.floor(value.getTime() / 1000) : Number.NaN;
  if (!(seconds >= 0)) throw new ArgumentError(name, 'must be a valid Date from 1970 on');
  return seconds;
}
