/**
 * Watching methods on a line, both ways: to log them, and for faults that strike at the n-th one.
 *
 * Knows frames; must not know what is done at which method.
 */
import {
  ByteReader,
  frameOverhead,
  frameTypes,
  protocolHeader,
  readMethod,
  type Method,
} from '../../amqp/protocol/index.js';

/** Who says a method. */
export type Speaker = 'client' | 'broker';

/** What is to be done before a method is handled or sent, and after it, its content included. */
export interface Strikes {
  readonly before: readonly (() => void)[];
  readonly after: readonly (() => void)[];
}

export interface MethodWatch {
  /** Somebody watches. */
  readonly isOn: boolean;
  /** Counts a method; answers what is to be done at this one. */
  count(from: Speaker, channel: number, methodId: number, method: Method): Strikes | undefined;
  /** Tells of a method; `bodySize` is in bytes, for methods with content. */
  tell(from: Speaker, channel: number, method: Method, bodySize: number | undefined): void;
}

const headSize = frameOverhead - 1;
/** Bytes of a content header up to the end of the body's size. */
const sizeEnd = headSize + 12;

/** What is to be written, which is whole frames, in parts: faults strike before or after one is taken. */
export function* cutAtMethods(chunks: readonly Uint8Array[], watch: MethodWatch): Generator<Buffer> {
  const bytes = Buffer.concat(chunks);
  // The answer to another version of AMQP is no frame.
  if (bytes[0] === protocolHeader[0]) {
    yield bytes;
    return;
  }
  let sent = 0;
  let position = 0;
  while (position < bytes.length) {
    const start = position;
    const end = endOfFrame(bytes, start);
    position = end;
    if (bytes[start] !== frameTypes.method) continue;
    const channel = bytes.readUInt16BE(start + 1);
    const methodId = bytes.readUInt32BE(start + headSize);
    const method = readMethod(methodId, new ByteReader(bytes, start + headSize + 4, end - 1));
    const bodySize = bytes[end] === frameTypes.header ? Number(bytes.readBigUInt64BE(end + sizeEnd - 8)) : undefined;
    if (bodySize !== undefined) position = endOfContent(bytes, end, bodySize);
    const strikes = watch.count('broker', channel, methodId, method);
    watch.tell('broker', channel, method, bodySize);
    if (!strikes) continue;
    if (strikes.before.length > 0) {
      if (start > sent) yield bytes.subarray(sent, start);
      sent = start;
      for (const strike of strikes.before) strike();
    }
    if (strikes.after.length > 0) {
      yield bytes.subarray(sent, position);
      sent = position;
      for (const strike of strikes.after) strike();
    }
  }
  if (sent < bytes.length) yield bytes.subarray(sent);
}

function endOfFrame(bytes: Buffer, start: number): number {
  return start + frameOverhead + bytes.readUInt32BE(start + 3);
}

function endOfContent(bytes: Buffer, header: number, bodySize: number): number {
  let end = endOfFrame(bytes, header);
  for (let missing = bodySize; missing > 0 && end < bytes.length;) {
    missing -= bytes.readUInt32BE(end + 3);
    end = endOfFrame(bytes, end);
  }
  return end;
}
