/** The guide to testing shows nothing that is not run: each of its snippets stands in a test, word for word. */
import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

/** Lines without their indentation, which differs, and without blank ones. */
function linesOf(code: string): string {
  const lines = code.split('\n').map((line) => line.trim());
  return `\n${lines.filter((line) => line !== '').join('\n')}\n`;
}

describe('docs/testing.md', () => {
  // What comes after is about the broker by itself.
  const [guide = ''] = read('docs/testing.md').split('\n## `leveret/broker`');
  const snippets = [...guide.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code);
  const folder = 'test/integration/testing/guide';
  const files = readdirSync(new URL(`../../../${folder}`, import.meta.url)).filter((name) => name.endsWith('.ts'));
  // Imports are shown as a reader needs them.
  const withoutImports = (code: string): string => code.replaceAll(/^import .*?;\n/gms, '');
  const sources = files.map((name) => linesOf(read(`${folder}/${name}`)));

  test('has its snippets in tests that run', () => {
    expect(snippets.length).toBeGreaterThanOrEqual(15);
    const foreign = snippets.filter(
      (code) => !sources.some((source) => source.includes(linesOf(withoutImports(code)))),
    );
    expect(foreign).toEqual([]);
  });
});
