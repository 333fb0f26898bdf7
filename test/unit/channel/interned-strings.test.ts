/** Strings decoded once must be the strings decoded anew. */
import fc from 'fast-check';
import { InternedStrings } from '../../../lib/amqp/channel/interned-strings.js';

test('decodes whatever UTF-8 decoding would, again and again', () => {
  const strings = new InternedStrings();
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 80 }), { maxLength: 20 }), (texts) => {
      for (const text of [...texts, ...texts]) {
        const bytes = Buffer.from(`x${text}y`);
        const expected = bytes.toString('utf8', 1, bytes.length - 1);
        expect(strings.decode(bytes, 1, bytes.length - 1)).toBe(expected);
      }
    }),
  );
});

test('bytes that are no UTF-8 are never taken for a known string', () => {
  const strings = new InternedStrings();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => {
      const buffer = Buffer.from(bytes);
      expect(strings.decode(buffer, 0, buffer.length)).toBe(buffer.toString('utf8'));
      expect(strings.decode(buffer, 0, buffer.length)).toBe(buffer.toString('utf8'));
    }),
    { numRuns: 2_000 },
  );
});
