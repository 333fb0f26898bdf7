/**
 * Cuts a stream of bytes into AMQP frames, whatever the pieces are in which it comes, and says which method each is.
 *
 * For proxies and taps: it believes the sizes that the frames state, and judges nothing. Must not know sockets.
 */
import { frameOverhead, frameTypes, methodName, protocolHeader } from '../../lib/amqp/protocol/index.js';

export interface ScannedFrame {
  /** 1 method, 2 header, 3 body, 8 heartbeat; 0 for the protocol header, which is no frame. */
  readonly type: number;
  readonly channel: number;
  /** `queue.declare` and so on; `protocol header`, `content header`, `body` or `heartbeat` for what is no method. */
  readonly name: string;
  /** The frame as a whole, its eight bytes of head and end included. */
  readonly bytes: Buffer;
}

/** Octets of a frame before its payload: type, channel and size. */
const headSize = frameOverhead - 1;
const namesOfOthers: Readonly<Record<number, string>> = {
  [frameTypes.header]: 'content header',
  [frameTypes.body]: 'body',
  [frameTypes.heartbeat]: 'heartbeat',
};

export class FrameScanner {
  #chunks: Buffer[] = [];
  #length = 0;
  /** Bytes with which the next frame is whole, or with which that can be said. */
  #needed = headSize;
  #isStart = true;

  /** Bytes of a frame that is not whole yet. */
  get pending(): number {
    return this.#length;
  }

  /** The frames that became whole with this chunk. */
  push(chunk: Uint8Array): ScannedFrame[] {
    this.#chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this.#length += chunk.byteLength;
    const frames: ScannedFrame[] = [];
    // Joined only when that gets us on: a large frame in many chunks is copied once.
    if (this.#length < this.#needed) return frames;
    let rest = Buffer.concat(this.#chunks, this.#length);
    for (;;) {
      this.#needed = this.#sizeOfNext(rest);
      if (rest.length < this.#needed || rest.length < headSize) break;
      frames.push(describe(rest.subarray(0, this.#needed)));
      this.#isStart = false;
      rest = rest.subarray(this.#needed);
    }
    this.#chunks = [rest];
    this.#length = rest.length;
    return frames;
  }

  #sizeOfNext(bytes: Buffer): number {
    // No frame type is the letter A: this is `AMQP` and a version, from either side.
    if (this.#isStart && bytes[0] === protocolHeader[0]) return protocolHeader.length;
    return bytes.length < headSize ? headSize : bytes.readUInt32BE(3) + frameOverhead;
  }
}

function describe(bytes: Buffer): ScannedFrame {
  const type = bytes.readUInt8(0);
  if (type === protocolHeader[0]) return { type: 0, channel: 0, name: 'protocol header', bytes };
  const isMethod = type === frameTypes.method && bytes.length >= headSize + 4;
  const name = isMethod ? methodName(bytes.readUInt32BE(headSize)) : (namesOfOthers[type] ?? `type ${String(type)}`);
  return { type, channel: bytes.readUInt16BE(1), name, bytes };
}
