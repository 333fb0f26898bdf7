/**
 * Stands between the parser and the session: watches methods that a client sends, and keeps frames back while the line is
 * silent inward, from the very method on at which a fault made it so.
 */
import { ByteReader, readMethod, type FrameSink, type Method } from '../../amqp/protocol/index.js';
import type { MethodWatch } from './method-watch.js';

/** A publish whose content is on its way. */
interface OpenPublish {
  readonly method: Method;
  readonly after: readonly (() => void)[];
  /** Bytes of the body that are missing. */
  missing: number;
}

export class FrameTap implements FrameSink {
  readonly #sink: FrameSink;
  readonly #watch: MethodWatch;
  readonly #isSilent: () => boolean;
  /** Frames that came while the line was silent. */
  #kept: (() => void)[] = [];
  readonly #publishes = new Map<number, OpenPublish>();

  constructor(sink: FrameSink, watch: MethodWatch, isSilent: () => boolean) {
    this.#sink = sink;
    this.#watch = watch;
    this.#isSilent = isSilent;
  }

  /** The line is no longer silent: what was kept is handled, as far as it stays so. */
  replay(): void {
    while (!this.#isSilent()) {
      const first = this.#kept.shift();
      if (!first) return;
      first();
    }
  }

  onMethod(channel: number, methodId: number, buffer: Buffer, start: number, end: number): void {
    if (this.#isPlain) this.#sink.onMethod(channel, methodId, buffer, start, end);
    else
      this.#handle(() => {
        this.#method(channel, methodId, buffer, start, end);
      });
  }

  onHeader(channel: number, classId: number, bodySize: number, buffer: Buffer, start: number, end: number): void {
    if (this.#isPlain) this.#sink.onHeader(channel, classId, bodySize, buffer, start, end);
    else
      this.#handle(() => {
        const open = this.#publishes.get(channel);
        if (open) {
          open.missing = bodySize;
          this.#watch.tell('client', channel, open.method, bodySize);
        }
        this.#sink.onHeader(channel, classId, bodySize, buffer, start, end);
        if (open && bodySize === 0) this.#endPublish(channel, open);
      });
  }

  onBody(channel: number, buffer: Buffer, start: number, end: number, isFrameEnd: boolean): void {
    if (this.#isPlain) this.#sink.onBody(channel, buffer, start, end, isFrameEnd);
    else
      this.#handle(() => {
        this.#sink.onBody(channel, buffer, start, end, isFrameEnd);
        const open = this.#publishes.get(channel);
        if (!open) return;
        open.missing -= end - start;
        if (open.missing <= 0 && isFrameEnd) this.#endPublish(channel, open);
      });
  }

  onHeartbeat(): void {
    // It was counted as heard when its bytes came.
  }

  /** Nobody watches, and nothing is kept back. */
  get #isPlain(): boolean {
    return this.#kept.length === 0 && !this.#watch.isOn && !this.#isSilent();
  }

  /** Handles a frame, or keeps it while the line is silent, and while others before it are kept. */
  #handle(handle: () => void): void {
    if (this.#kept.length > 0 || this.#isSilent()) this.#kept.push(handle);
    else handle();
  }

  #method(channel: number, methodId: number, buffer: Buffer, start: number, end: number): void {
    const method = this.#watch.isOn ? readable(methodId, buffer, start, end) : undefined;
    if (!method) {
      this.#sink.onMethod(channel, methodId, buffer, start, end);
      return;
    }
    const strikes = this.#watch.count('client', channel, methodId, method);
    const isPublish = method.name === 'basic.publish';
    if (!isPublish) this.#watch.tell('client', channel, method, undefined);
    for (const strike of strikes?.before ?? []) strike();
    const after = strikes?.after ?? [];
    const handle = (): void => {
      if (isPublish) this.#publishes.set(channel, { method, after, missing: 0 });
      this.#sink.onMethod(channel, methodId, buffer, start, end);
      if (!isPublish) for (const strike of after) strike();
    };
    // The strike may have made the line silent: then this one was not heard either, and those kept came after it.
    if (this.#isSilent()) this.#kept.unshift(handle);
    else handle();
  }

  #endPublish(channel: number, { after }: OpenPublish): void {
    this.#publishes.delete(channel);
    for (const strike of after) strike();
  }
}

/** What cannot be read is for the session to refuse. */
function readable(methodId: number, buffer: Buffer, start: number, end: number): Method | undefined {
  try {
    return readMethod(methodId, new ByteReader(buffer, start, end));
  } catch {
    return undefined;
  }
}
