/**
 * Puts a message together: a method with content, its header, its body pieces.
 *
 * A body that lies whole in one network chunk is a view of it, unless it is a small part: who keeps that must not keep
 * the whole. One that is cut is copied once, into a buffer of its size. Must not know what the message is for.
 */
import { UnexpectedFrameError } from '../errors.js';
import type { RawProperties } from './delivery.js';

export type AssembledContent = (properties: RawProperties, body: Buffer) => void;

/** Told instead of the content, when all of it has passed, where its body is longer than allowed. */
export type OversizeContent = (bodySize: number) => void;

const emptyBody = Buffer.alloc(0);

/** Bodies up to this many bytes are copied out of chunks of more than four times as many. */
const smallBody = 2048;

export class ContentAssembly {
  readonly #maxBodySize: number;
  #onComplete: AssembledContent | undefined;
  #onOversize: OversizeContent | undefined;
  #properties: RawProperties | undefined;
  #bodySize = 0;
  #body: Buffer | undefined;
  #filled = 0;

  /** `maxBodySize`: bytes of a body that are kept. */
  constructor(maxBodySize: number) {
    this.#maxBodySize = maxBodySize;
  }

  get isUnderWay(): boolean {
    return this.#onComplete !== undefined;
  }

  /** A method with content came; `onComplete` is called when its body is whole. Of a body that is too long nothing is kept. */
  begin(onComplete: AssembledContent, onOversize: OversizeContent): void {
    this.#onComplete = onComplete;
    this.#onOversize = onOversize;
    this.#properties = undefined;
  }

  header(bodySize: number, buffer: Buffer, start: number, end: number): void {
    if (!this.#onComplete || this.#properties) throw new UnexpectedFrameError('a content header without its method');
    this.#properties = { buffer, start, end };
    this.#bodySize = bodySize;
    this.#body = undefined;
    this.#filled = 0;
    if (bodySize === 0) this.#complete(this.#onComplete, this.#properties, emptyBody);
  }

  body(buffer: Buffer, start: number, end: number, isFrameEnd: boolean): void {
    const onComplete = this.#onComplete;
    const properties = this.#properties;
    if (!onComplete || !properties) throw new UnexpectedFrameError('a body frame without its content header');
    const size = end - start;
    if (this.#filled + size > this.#bodySize) {
      throw new UnexpectedFrameError(`a body longer than the ${String(this.#bodySize)} bytes its header announced`);
    }
    if (this.#bodySize > this.#maxBodySize) {
      this.#pass(size, isFrameEnd);
      return;
    }
    if (size === this.#bodySize && isFrameEnd) {
      if (size <= smallBody && buffer.length > 4 * smallBody)
        this.#completeSmall(onComplete, properties, buffer, start, end);
      else this.#complete(onComplete, properties, buffer.subarray(start, end));
      return;
    }
    this.#body = this.#room(this.#filled + size);
    buffer.copy(this.#body, this.#filled, start, end);
    this.#filled += size;
    if (this.#filled === this.#bodySize && isFrameEnd) this.#complete(onComplete, properties, this.#body);
  }

  /** Drops what is half done. */
  reset(): void {
    this.#onComplete = undefined;
    this.#onOversize = undefined;
    this.#properties = undefined;
    this.#body = undefined;
  }

  /**
   * A buffer for at least `needed` bytes. A body of up to 1 MiB gets its whole size at once; a larger one grows as it
   * comes, so that a header alone cannot make us set aside what its sender never sends.
   */
  #room(needed: number): Buffer {
    const present = this.#body;
    if (present && present.length >= needed) return present;
    const size = Math.min(this.#bodySize, Math.max(needed, 1024 * 1024, (present?.length ?? 0) * 2));
    const larger = Buffer.allocUnsafeSlow(size);
    present?.copy(larger, 0, 0, this.#filled);
    return larger;
  }

  #pass(size: number, isFrameEnd: boolean): void {
    this.#filled += size;
    if (this.#filled < this.#bodySize || !isFrameEnd) return;
    const onOversize = this.#onOversize;
    this.reset();
    onOversize?.(this.#bodySize);
  }

  /** Takes properties and body, which stand side by side, out of a large chunk. */
  #completeSmall(onComplete: AssembledContent, raw: RawProperties, buffer: Buffer, start: number, end: number): void {
    const from = raw.buffer === buffer && start - raw.start <= smallBody ? raw.start : start;
    const copy = Buffer.allocUnsafe(end - from);
    buffer.copy(copy, 0, from, end);
    const properties = from === start ? raw : { buffer: copy, start: 0, end: raw.end - from };
    this.#complete(onComplete, properties, copy.subarray(start - from));
  }

  #complete(onComplete: AssembledContent, properties: RawProperties, body: Buffer): void {
    this.reset();
    onComplete(properties, body);
  }
}
