/** The TypeScript of docs/client.md holds what the types promise; what the README shows is run, in readme.test.ts. */
import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { typeFaults } from '../../support/type-check.js';

const page = readFileSync(new URL('../../../docs/client.md', import.meta.url), 'utf8');
const snippets = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code);

/** What a snippet takes from those before it. */
const given: Readonly<Record<string, string>> = {
  connect: "import { connect } from 'leveret/amqp';",
  connection: "declare const connection: import('leveret/amqp').Connection;",
  channel: "declare const channel: import('leveret/amqp').Channel;",
};

describe('the TypeScript of docs/client.md', () => {
  test('is checked here', () => {
    expect(snippets.length).toBeGreaterThanOrEqual(8);
  });

  test('compiles', () => {
    const pieces = snippets.map((code, index) => {
      const names = Object.keys(given).filter((name) => {
        const isUsed = new RegExp(`\\b${name}\\b`).test(code);
        return isUsed && !new RegExp(`(const ${name}\\b|import \\{[^}]*\\b${name}\\b)`).test(code);
      });
      return [
        `snippet-${String(index + 1)}`,
        `${names.map((name) => given[name]).join(' ')} export {};\n${code}`,
      ] as const;
    });
    expect(typeFaults(new Map(pieces))).toEqual([]);
  }, 60_000);
});
