/** Turns what a frame parser reports into plain records, so that two parses can be compared. */
import {
  ByteReader,
  FrameParser,
  readMethod,
  readProperties,
  type FrameLimits,
  type FrameSink,
} from '../../../lib/amqp/protocol/index.js';

export type FrameRecord =
  | { readonly kind: 'method'; readonly channel: number; readonly name: string; readonly fields: unknown }
  | { readonly kind: 'header'; readonly channel: number; readonly bodySize: number; readonly properties: unknown }
  | { readonly kind: 'body'; readonly channel: number; readonly hex: string }
  | { readonly kind: 'heartbeat' };

export class RecordingSink implements FrameSink {
  readonly frames: FrameRecord[] = [];
  readonly #pieces = new Map<number, Buffer[]>();

  onMethod(channel: number, methodId: number, buffer: Buffer, start: number, end: number): void {
    const { name, fields } = readMethod(methodId, new ByteReader(buffer, start, end));
    this.frames.push({ kind: 'method', channel, name, fields });
  }

  onHeader(channel: number, _classId: number, bodySize: number, buffer: Buffer, start: number, end: number): void {
    const properties = readProperties(new ByteReader(buffer, start, end));
    this.frames.push({ kind: 'header', channel, bodySize, properties });
  }

  onBody(channel: number, buffer: Buffer, start: number, end: number, isFrameEnd: boolean): void {
    const pieces = this.#pieces.get(channel) ?? [];
    pieces.push(Buffer.from(buffer.subarray(start, end)));
    this.#pieces.set(channel, pieces);
    if (!isFrameEnd) return;
    this.#pieces.delete(channel);
    this.frames.push({ kind: 'body', channel, hex: Buffer.concat(pieces).toString('hex') });
  }

  onHeartbeat(): void {
    this.frames.push({ kind: 'heartbeat' });
  }
}

export const wideLimits: FrameLimits = { frameMax: 131_072, headerFrameMax: 1024 * 1024 };

/** Parses bytes in the pieces given. */
export function parse(chunks: readonly Buffer[], limits: FrameLimits = wideLimits): FrameRecord[] {
  const sink = new RecordingSink();
  const parser = new FrameParser(sink, limits);
  for (const chunk of chunks) parser.push(chunk);
  return sink.frames;
}

/** Cuts bytes at the positions given. */
export function cut(bytes: Buffer, positions: readonly number[]): Buffer[] {
  const sorted = [...positions].map((position) => position % (bytes.length + 1)).sort((left, right) => left - right);
  return [0, ...sorted].map((start, index) => Buffer.from(bytes.subarray(start, sorted[index] ?? bytes.length)));
}
