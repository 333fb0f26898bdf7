/** docs/defaults.md gives each default with its reason, options that are there, and its test; no test is left out. */
import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { missingTests, titlesOf } from '../../support/named-tests.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const rows = readFileSync(join(root, 'docs', 'defaults.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| \d/.test(line))
  .map((line) => {
    const cells = line.split('|').map((cell) => cell.trim());
    if (cells.length !== 7) throw new Error(`not five cells: ${line}`);
    const [, number = '', what = '', why = '', changedBy = '', tests = ''] = cells;
    return { number: Number(number), what, why, changedBy, tests: tests.split('<br>').map((entry) => entry.trim()) };
  });

/** What a user can say: the members of all that is exported, as they stand in the source. */
function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(root, folder, file), 'utf8'));
}

describe('the defaults', () => {
  test('are all there: those that were promised, and the time-out of requests', () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
  });

  test('have a reason, and say how they are changed', () => {
    for (const { what, why, changedBy } of rows) {
      expect(what).toContain('**');
      expect(why.length).toBeGreaterThan(100);
      expect(changedBy).not.toBe('');
    }
  });

  test('name options and decorators that are there', () => {
    const text = [...sources('lib/nest'), ...sources('lib/amqp/connection')].join('\n');
    const names = rows
      .flatMap(({ changedBy }) => [...changedBy.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code))
      // Values, and what is Nest's or the language's.
      .filter((name) => !['before', 'manual', 'fail', 'background', 'false', 'logger', 'catch'].includes(name))
      .filter((name) => !['@Payload', '@Ctx'].includes(name));
    const missing = names.filter((name) => {
      const word = name.split('.').at(-1)?.replace('@', '') ?? '';
      const declaration = name.startsWith('@') ? `export function ${word}\\b` : `^ +${word}\\?: `;
      return !new RegExp(declaration, 'm').test(text);
    });
    expect(missing).toEqual([]);
  });

  test('name only tests that are there, and every test of the specification is named', () => {
    const file = 'test/nest/defaults.test.ts';
    const entries = rows.flatMap(({ tests }) => tests);
    expect(missingTests(entries)).toEqual([]);
    const unnamed = [...titlesOf(file)].filter(
      (title) => !title.startsWith('by default') && !entries.includes(`\`${file}\` ${title}`),
    );
    expect(unnamed).toEqual([]);
  });
});
