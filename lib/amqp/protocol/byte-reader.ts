/**
 * Reads AMQP's elementary types from a stretch of a buffer, checking every length.
 *
 * Knows bytes only; must not know frames, methods or sockets. Whatever the bytes are, the result is a value or a
 * FrameSyntaxError.
 */
import { FrameSyntaxError } from '../errors.js';

const emptyBuffer = Buffer.alloc(0);

export class ByteReader {
  #buffer: Buffer = emptyBuffer;
  #position = 0;
  #end = 0;

  constructor(buffer?: Buffer, start = 0, end = buffer?.length ?? 0) {
    if (buffer) this.reset(buffer, start, end);
  }

  reset(buffer: Buffer, start: number, end: number): this {
    this.#buffer = buffer;
    this.#position = start;
    this.#end = end;
    return this;
  }

  get position(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.#end - this.#position;
  }

  /** Moves past `size` bytes and returns where they start. */
  skip(size: number): number {
    const start = this.#position;
    if (size > this.#end - start) {
      throw new FrameSyntaxError(
        `a field of ${String(size)} bytes does not fit into the ${String(this.#end - start)} bytes left`,
      );
    }
    this.#position = start + size;
    return start;
  }

  octet(): number {
    return this.#buffer.readUInt8(this.skip(1));
  }

  int8(): number {
    return this.#buffer.readInt8(this.skip(1));
  }

  short(): number {
    return this.#buffer.readUInt16BE(this.skip(2));
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.skip(2));
  }

  long(): number {
    return this.#buffer.readUInt32BE(this.skip(4));
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.skip(4));
  }

  /** An unsigned 64-bit integer as a number; beyond 2^53 - 1 it is a FrameSyntaxError. */
  longlong(): number {
    const start = this.skip(8);
    const value = this.#buffer.readUInt32BE(start) * 0x1_0000_0000 + this.#buffer.readUInt32BE(start + 4);
    if (!Number.isSafeInteger(value)) {
      throw new FrameSyntaxError(`a 64-bit integer beyond 2^53 - 1 (${String(value)}) where none is expected`);
    }
    return value;
  }

  bigInt64(): bigint {
    return this.#buffer.readBigInt64BE(this.skip(8));
  }

  bigUInt64(): bigint {
    return this.#buffer.readBigUInt64BE(this.skip(8));
  }

  float(): number {
    return this.#buffer.readFloatBE(this.skip(4));
  }

  double(): number {
    return this.#buffer.readDoubleBE(this.skip(8));
  }

  shortstr(): string {
    const length = this.octet();
    const start = this.skip(length);
    return this.#buffer.toString('utf8', start, start + length);
  }

  longstr(): string {
    const length = this.long();
    const start = this.skip(length);
    return this.#buffer.toString('utf8', start, start + length);
  }

  /** A copy of a long string's bytes. */
  longBytes(): Buffer {
    return Buffer.from(this.view(this.long()));
  }

  /** A view of `size` bytes, not a copy. */
  view(size: number): Buffer {
    const start = this.skip(size);
    return this.#buffer.subarray(start, start + size);
  }

  /** A reader of the next `size` bytes; this one moves past them. */
  nested(size: number): ByteReader {
    const start = this.skip(size);
    return new ByteReader(this.#buffer, start, start + size);
  }
}
