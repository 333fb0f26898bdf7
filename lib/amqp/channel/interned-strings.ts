/**
 * Strings that come again and again (consumer tags, exchanges, routing keys), decoded once.
 *
 * A direct-mapped cache: a slot holds the last string of its hash with its bytes; a hit compares bytes and makes no
 * string. Long or non-ASCII strings are decoded each time.
 */
const slotCount = 256;
const longestInterned = 64;

export class InternedStrings {
  readonly #strings: (string | undefined)[] = new Array<string | undefined>(slotCount).fill(undefined);

  /** The string in `buffer[start..end)`, which the caller has checked to be inside the buffer. */
  decode(buffer: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length === 0) return '';
    if (length > longestInterned) return buffer.toString('utf8', start, end);
    let hash = length;
    for (let index = start; index < end; index++) hash = (hash * 31 + (buffer[index] ?? 0)) | 0;
    const slot = (hash ^ (hash >>> 8)) & (slotCount - 1);
    const known = this.#strings[slot];
    if (known?.length === length) {
      let index = 0;
      while (index < length && known.charCodeAt(index) === buffer[start + index]) index++;
      if (index === length) return known;
    }
    const decoded = buffer.toString('utf8', start, end);
    // Only where bytes and characters are one to one may bytes be compared with characters later. Characters from
    // U+0080 to U+00FF take two bytes, so a string of the same length as its bytes is ASCII.
    if (decoded.length === length && !decoded.includes('\ufffd')) this.#strings[slot] = decoded;
    return decoded;
  }
}
