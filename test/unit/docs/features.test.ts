/** docs/features.md names every row that was promised, and only tests that are there. */
import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { missingTests } from '../../support/named-tests.js';

const page = readFileSync(new URL('../../../docs/features.md', import.meta.url), 'utf8');
const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  scripts: object;
};
const rows = page
  .split('\n')
  .filter((line) => /^\| [ABCD]\d/.test(line))
  .map((line) => {
    const [, number = '', what = '', state = '', tests = '', ...rest] = line.split('|').map((cell) => cell.trim());
    if (rest.length !== 1) throw new Error(`not four cells: ${line}`);
    return { number, what, state, tests: tests === '' ? [] : tests.split('<br>').map((entry) => entry.trim()) };
  });

describe('the features', () => {
  test('are all there, in order', () => {
    const numbered = (letter: string, length: number): string[] =>
      Array.from({ length }, (_, index) => `${letter}${String(index + 1)}`);
    const promised = [...numbered('A', 23), ...numbered('B', 13), ...numbered('C', 31), ...numbered('D', 7)];
    expect(rows.map(({ number }) => number)).toEqual(promised);
  });

  test('are done, with a test, or say what they wait for', () => {
    const silent = rows.filter(({ what, state, tests }) => {
      return what === '' || (state === 'done' ? tests.length === 0 : !/^in work: .+/.test(state));
    });
    expect(silent).toEqual([]);
  });

  test('name only tests that are there, or a script that runs them', () => {
    const entries = rows.flatMap(({ tests }) => tests);
    const script = /^`npm run ([\w:]+)`$/;
    expect(missingTests(entries.filter((entry) => !script.test(entry)))).toEqual([]);
    const scripts = entries.flatMap((entry) => script.exec(entry)?.[1] ?? []);
    expect(scripts.filter((name) => !Object.hasOwn(manifest.scripts, name))).toEqual([]);
  });
});
