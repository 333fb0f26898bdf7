/** Bytes that wait, taken out in pieces of any size. Pure. */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  #length = 0;

  /** Bytes that wait. */
  get length(): number {
    return this.#length;
  }

  push(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) {
      if (chunk.length === 0) continue;
      this.#chunks.push(chunk);
      this.#length += chunk.length;
    }
  }

  /** Takes up to so many bytes, as one piece. */
  take(limit: number): Buffer {
    const parts: Uint8Array[] = [];
    let missing = Math.min(limit, this.#length);
    this.#length -= missing;
    while (missing > 0) {
      const [first] = this.#chunks;
      if (!first) break;
      if (first.length > missing) {
        parts.push(first.subarray(0, missing));
        this.#chunks[0] = first.subarray(missing);
        missing = 0;
      } else {
        parts.push(first);
        this.#chunks.shift();
        missing -= first.length;
      }
    }
    return Buffer.concat(parts);
  }

  /** Takes everything, in the pieces in which it came. */
  takeAll(): readonly Uint8Array[] {
    const chunks = this.#chunks;
    this.clear();
    return chunks;
  }

  clear(): void {
    this.#chunks = [];
    this.#length = 0;
  }
}
