/**
 * Frames on their way in: an offset parser that takes chunks cut anywhere.
 *
 * Knows the framing only; must not know methods, channels or sockets. Method and header frames reach the sink whole:
 * inside the chunk they came in, or, when cut, in a buffer of exactly their size. Body frames are passed on piece by
 * piece as they arrive, so that their bytes are copied once at most, by whoever assembles the message.
 *
 * Whatever the bytes are, the result is calls to the sink or a typed error, after which the parser refuses to go on.
 */
import { asError, FrameError, ProtocolMismatchError, UnexpectedFrameError } from '../errors.js';
import { frameEnd, frameOverhead, frameTypes } from './frames.js';

export interface FrameSink {
  /** A method frame's arguments are `buffer[start..end)`; `methodId` is class id * 65536 + method id. */
  onMethod(channel: number, methodId: number, buffer: Buffer, start: number, end: number): void;
  /** A content header; property flags and list are `buffer[start..end)`. */
  onHeader(channel: number, classId: number, bodySize: number, buffer: Buffer, start: number, end: number): void;
  /** A piece of a body frame. `isFrameEnd`: the frame is over, and its end octet was right. */
  onBody(channel: number, buffer: Buffer, start: number, end: number, isFrameEnd: boolean): void;
  onHeartbeat(): void;
}

export interface FrameLimits {
  /** The negotiated frame_max in bytes, held against body frames; 0 is no limit. */
  frameMax: number;
  /** Bytes above frameMax that are let pass all the same; none unless said. */
  frameMaxExcess?: number;
  /** Cap on method and header frames in bytes: RabbitMQ does not hold its own to frame_max. */
  headerFrameMax: number;
}

const headSize = 7;
const emptyBuffer = Buffer.alloc(0);

export class FrameParser {
  /** May be changed between two calls of `push`, when tuning is over. */
  limits: FrameLimits;
  readonly #sink: FrameSink;
  /** The seven octets of a frame's head, while they are cut over chunks. */
  readonly #head = Buffer.alloc(headSize);
  #headFilled = 0;
  #type = 0;
  #channel = 0;
  /** Payload octets still to come of a body frame under way; -1 when none is. */
  #bodyRemaining = -1;
  /** A cut method or header frame: payload and end octet. */
  #partial: Buffer = emptyBuffer;
  #partialFilled = 0;
  #failure: Error | undefined;
  #hasFrames = false;

  constructor(sink: FrameSink, limits: FrameLimits) {
    this.#sink = sink;
    this.limits = limits;
  }

  /** True between two frames, when nothing of a next one was seen. */
  get isAtFrameBoundary(): boolean {
    return this.#headFilled === 0 && this.#bodyRemaining < 0 && this.#partial === emptyBuffer;
  }

  push(chunk: Buffer): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#parse(chunk);
    } catch (error) {
      this.#failure = asError(error);
      this.#partial = emptyBuffer;
      throw error;
    }
  }

  #parse(chunk: Buffer): void {
    const length = chunk.length;
    let offset = 0;
    while (offset < length) {
      if (this.#bodyRemaining >= 0) {
        offset = this.#continueBody(chunk, offset);
      } else if (this.#partial !== emptyBuffer) {
        offset = this.#continuePartial(chunk, offset);
      } else if (this.#headFilled === 0 && length - offset >= headSize) {
        const size = this.#readHead(chunk, offset);
        offset = this.#beginPayload(chunk, offset + headSize, size);
      } else {
        const copied = Math.min(headSize - this.#headFilled, length - offset);
        chunk.copy(this.#head, this.#headFilled, offset, offset + copied);
        this.#headFilled += copied;
        offset += copied;
        // An unknown first octet is told at once, not only when seven have come.
        this.#checkType(this.#head[0] ?? 0);
        if (this.#headFilled === headSize) {
          const size = this.#readHead(this.#head, 0);
          this.#headFilled = 0;
          offset = this.#beginPayload(chunk, offset, size);
        }
      }
    }
  }

  #checkType(type: number): void {
    if (type >= frameTypes.method && type <= frameTypes.body) return;
    if (type === frameTypes.heartbeat) return;
    if (type === 0x41 && !this.#hasFrames) {
      throw new ProtocolMismatchError('the peer answered with a protocol header: it does not speak AMQP 0-9-1');
    }
    if (type === 0x15 && !this.#hasFrames) {
      throw new ProtocolMismatchError(
        'the peer answered with a TLS alert: this is a TLS port, which takes amqps or tls',
      );
    }
    if (!this.#hasFrames) {
      throw new ProtocolMismatchError(
        `the peer does not speak AMQP 0-9-1: its first byte is 0x${type.toString(16).padStart(2, '0')}`,
      );
    }
    throw new FrameError(`unknown frame type ${String(type)}`);
  }

  /** Reads and checks a frame's head; answers the payload's size. */
  #readHead(buffer: Buffer, offset: number): number {
    const type = buffer[offset] ?? 0;
    this.#checkType(type);
    const channel = ((buffer[offset + 1] ?? 0) << 8) | (buffer[offset + 2] ?? 0);
    const size = buffer.readUInt32BE(offset + 3);
    this.#type = type;
    this.#channel = channel;
    this.#hasFrames = true;
    if (type === frameTypes.body) {
      const { frameMax, frameMaxExcess = 0 } = this.limits;
      if (frameMax > 0 && size + frameOverhead > frameMax + frameMaxExcess) {
        throw new FrameError(
          `a body frame of ${String(size + frameOverhead)} bytes exceeds the negotiated frame_max ${String(frameMax)}`,
        );
      }
    } else if (type === frameTypes.heartbeat) {
      if (size !== 0) throw new FrameError(`a heartbeat frame with a payload of ${String(size)} bytes`);
      if (channel !== 0) throw new UnexpectedFrameError(`a heartbeat frame on channel ${String(channel)}`);
    } else {
      if (size + frameOverhead > this.limits.headerFrameMax) {
        throw new FrameError(
          `a ${type === frameTypes.method ? 'method' : 'header'} frame of ${String(size + frameOverhead)} bytes exceeds ` +
            `the limit of ${String(this.limits.headerFrameMax)}`,
        );
      }
      const least = type === frameTypes.method ? 4 : 14;
      if (size < least) throw new FrameError(`a frame of type ${String(type)} with a payload of ${String(size)} bytes`);
    }
    return size;
  }

  /** The head was read; the payload starts at `offset`. */
  #beginPayload(chunk: Buffer, offset: number, size: number): number {
    if (offset + size < chunk.length) {
      const end = offset + size;
      this.#checkEnd(chunk[end]);
      if (this.#type === frameTypes.body) this.#sink.onBody(this.#channel, chunk, offset, end, true);
      else this.#dispatch(chunk, offset, end);
      return end + 1;
    }
    if (this.#type === frameTypes.body) {
      this.#bodyRemaining = size;
      return offset;
    }
    this.#partial = Buffer.allocUnsafe(size + 1);
    this.#partialFilled = 0;
    return offset;
  }

  #continueBody(chunk: Buffer, offset: number): number {
    const remaining = this.#bodyRemaining;
    const available = chunk.length - offset;
    if (available > remaining) {
      const end = offset + remaining;
      this.#checkEnd(chunk[end]);
      this.#bodyRemaining = -1;
      this.#sink.onBody(this.#channel, chunk, offset, end, true);
      return end + 1;
    }
    this.#bodyRemaining = remaining - available;
    this.#sink.onBody(this.#channel, chunk, offset, chunk.length, false);
    return chunk.length;
  }

  #continuePartial(chunk: Buffer, offset: number): number {
    const partial = this.#partial;
    const copied = Math.min(partial.length - this.#partialFilled, chunk.length - offset);
    chunk.copy(partial, this.#partialFilled, offset, offset + copied);
    this.#partialFilled += copied;
    if (this.#partialFilled === partial.length) {
      this.#checkEnd(partial[partial.length - 1]);
      this.#partial = emptyBuffer;
      this.#dispatch(partial, 0, partial.length - 1);
    }
    return offset + copied;
  }

  #checkEnd(octet: number | undefined): void {
    if (octet !== frameEnd) {
      throw new FrameError(`a frame ends with 0x${(octet ?? 0).toString(16).padStart(2, '0')}, not 0xce`);
    }
  }

  #dispatch(buffer: Buffer, start: number, end: number): void {
    switch (this.#type) {
      case frameTypes.method:
        this.#sink.onMethod(this.#channel, buffer.readUInt32BE(start), buffer, start + 4, end);
        return;
      case frameTypes.header: {
        const high = buffer.readUInt32BE(start + 4);
        if (high > 0x1f_ffff) throw new FrameError('a content header announces a body beyond 2^53 bytes');
        const bodySize = high * 0x1_0000_0000 + buffer.readUInt32BE(start + 8);
        this.#sink.onHeader(this.#channel, buffer.readUInt16BE(start), bodySize, buffer, start + 12, end);
        return;
      }
      default:
        this.#sink.onHeartbeat();
    }
  }
}
