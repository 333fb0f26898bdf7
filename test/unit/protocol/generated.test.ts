/** The committed codecs are what the generator makes of the specification today. */
import { readFileSync } from 'node:fs';
import { generate, generatedFile } from '../../../scripts/generate-protocol.js';

describe('generated/methods.ts', () => {
  it('is what `npm run generate` writes', async () => {
    expect(await generate()).toBe(readFileSync(generatedFile, 'utf8'));
  });
});
