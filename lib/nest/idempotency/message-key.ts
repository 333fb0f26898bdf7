/** What a message is remembered by. */
import { createHash } from 'node:crypto';

const longestKey = 255;

/**
 * The key as every store can hold it, whatever a message brought: one that is long, or holds what a database takes for no text,
 * is known by its digest.
 */
export function storableKey(key: string): string {
  const bytes = Buffer.from(key, 'utf8');
  // Half a character is another one once it was written.
  const isStorable = bytes.length <= longestKey && !key.includes('\0') && bytes.toString('utf8') === key;
  return isStorable ? key : `sha256:${createHash('sha256').update(key, 'utf16le').digest('hex')}`;
}
