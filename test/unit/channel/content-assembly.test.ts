/** What a message that is kept keeps of the chunk of the network that it came in. */
import { describe, expect, it } from '@jest/globals';
import { ContentAssembly } from '../../../lib/amqp/channel/content-assembly.js';
import type { RawProperties } from '../../../lib/amqp/channel/delivery.js';

const propertyBytes = 20;

/** A message that stands whole in a chunk, at its end; its header and its body hold other bytes than the rest. */
function assembled(chunkSize: number, bodySize: number) {
  const chunk = Buffer.alloc(chunkSize);
  const bodyStart = chunkSize - bodySize - 1;
  const headerStart = bodyStart - 8 - propertyBytes;
  chunk.fill('p', headerStart, headerStart + propertyBytes).fill('b', bodyStart, bodyStart + bodySize);
  const got: { properties: RawProperties; body: Buffer }[] = [];
  const content = new ContentAssembly(Infinity);
  content.begin(
    (properties, body) => got.push({ properties, body }),
    () => {
      throw new Error('too large');
    },
  );
  content.header(bodySize, chunk, headerStart, headerStart + propertyBytes);
  content.body(chunk, bodyStart, bodyStart + bodySize, true);
  const [one] = got;
  if (!one) throw new Error('nothing came');
  return { chunk, ...one };
}

describe('content', () => {
  it.each([1, 256, 2048])(
    'of %s bytes in a large chunk is a copy, its properties too, and keeps little',
    (bodySize) => {
      const { chunk, properties, body } = assembled(65_536, bodySize);
      expect(body.toString()).toBe('b'.repeat(bodySize));
      expect(properties.buffer.toString('latin1', properties.start, properties.end)).toBe('p'.repeat(propertyBytes));
      for (const { buffer } of [body, properties.buffer]) {
        expect(buffer).not.toBe(chunk.buffer);
        expect(buffer.byteLength).toBeLessThanOrEqual(Math.max(Buffer.poolSize, 4_096));
      }
    },
  );

  it.each([
    [65_536, 2_049],
    [1_024, 256],
  ])('that is a large part of its chunk (%s bytes, of which %s) is a view of it', (chunkSize, bodySize) => {
    const { chunk, properties, body } = assembled(chunkSize, bodySize);
    expect(body.toString()).toBe('b'.repeat(bodySize));
    expect(body.buffer).toBe(chunk.buffer);
    expect(properties.buffer).toBe(chunk);
  });
});
