/**
 * Where what a worker sends begins and ends, and whether it may go out on a connection that others use too: one frame
 * that the broker takes for a fault of the whole connection would cost everyone theirs.
 *
 * A unit is a method, or basic.publish with all of its content: what a client writes in a row and hands over at once.
 * Knows the framing; must not know who owns a channel. What fields say is the broker's to judge.
 */
import { FrameError } from '../errors.js';
import { frameEnd, frameOverhead, frameTypes, methodIds } from '../protocol/index.js';

const connectionClass = 10;
/** Octets of the payload, at least: class and method; class, weight, body size and flags. */
const leastMethod = 4;
const leastHeader = 14;
const basicClass = 60;

/** The end of the unit that begins at `start`. Throws FrameError when none does; `frameMax` 0 is no limit. */
export function endOfUnit(chunk: Buffer, start: number, frameMax: number): number {
  const end = endOfFrame(chunk, start);
  const size = end - start - frameOverhead;
  if (chunk[start] !== frameTypes.method || size < leastMethod) throw new FrameError('a worker sent no method');
  const channel = channelOf(chunk, start);
  if (channel === 0) return end;
  checkSize(start, end, frameMax);
  const methodId = methodIdOf(chunk, start);
  if (methodId >>> 16 === connectionClass)
    throw new FrameError('a worker sent a method of the connection on a channel');
  return methodId === methodIds.BasicPublish ? endOfContent(chunk, end, channel, frameMax) : end;
}

function endOfContent(chunk: Buffer, start: number, channel: number, frameMax: number): number {
  let end = contentFrame(chunk, start, frameTypes.header, channel, frameMax);
  const isHeader = end - start - frameOverhead >= leastHeader && chunk.readUInt16BE(start + 7) === basicClass;
  if (!isHeader) throw new FrameError('a worker sent a content header that is none');
  let remaining = chunk.readBigUInt64BE(start + 11);
  while (remaining > 0n) {
    const next = contentFrame(chunk, end, frameTypes.body, channel, frameMax);
    remaining -= BigInt(next - end - frameOverhead);
    end = next;
  }
  if (remaining < 0n) throw new FrameError('a worker sent a body larger than its header says');
  return end;
}

/** The end of a frame that must be of this type and channel. */
function contentFrame(chunk: Buffer, start: number, type: number, channel: number, frameMax: number): number {
  const end = endOfFrame(chunk, start);
  if (chunk[start] !== type || channelOf(chunk, start) !== channel) {
    throw new FrameError('a worker sent a message without all of its content');
  }
  checkSize(start, end, frameMax);
  return end;
}

function checkSize(start: number, end: number, frameMax: number): void {
  if (frameMax > 0 && end - start > frameMax) throw new FrameError('a worker sent a frame larger than frame_max');
}

/** The end of the frame at `start`, which must be there whole. */
export function endOfFrame(chunk: Buffer, start: number): number {
  const isHeadThere = chunk.length - start >= frameOverhead;
  const end = isHeadThere ? start + frameOverhead + chunk.readUInt32BE(start + 3) : Infinity;
  if (chunk[end - 1] !== frameEnd) throw new FrameError('a worker sent a part of a frame');
  return end;
}

export function channelOf(chunk: Buffer, start: number): number {
  return chunk.readUInt16BE(start + 1);
}

export function methodIdOf(chunk: Buffer, start: number): number {
  return chunk.readUInt32BE(start + 7);
}
