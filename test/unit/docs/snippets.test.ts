/** The TypeScript of docs holds what the types promise; what the README shows is run, in readme.test.ts. */
import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { typeFaults } from '../../support/type-check.js';

/** How many snippets a page has at least, and what a snippet takes from elsewhere. */
const pages: Readonly<Record<string, { readonly atLeast: number; readonly given: Readonly<Record<string, string>> }>> =
  {
    'client.md': {
      atLeast: 8,
      given: {
        connect: "import { connect } from 'leveret/amqp';",
        connection: "declare const connection: import('leveret/amqp').Connection;",
        channel: "declare const channel: import('leveret/amqp').Channel;",
      },
    },
    'once-only.md': { atLeast: 3, given: {} },
    'flow.md': { atLeast: 3, given: {} },
    'migration-nest.md': { atLeast: 2, given: { AppModule: 'class AppModule { readonly name = 1; }' } },
  };

describe.each(Object.entries(pages))('the TypeScript of docs/%s', (page, { atLeast, given }) => {
  const text = readFileSync(new URL(`../../../docs/${page}`, import.meta.url), 'utf8');
  const snippets = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code);

  test('is checked here', () => {
    expect(snippets.length).toBeGreaterThanOrEqual(atLeast);
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
