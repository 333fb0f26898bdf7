/** docs/recovery.md and docs/faults.md name only tests that are there, and no scenario is left out. */
import { describe, expect, test } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { titlesOf } from '../../support/named-tests.js';

const page = (name: string): string =>
  readFileSync(new URL(`../../../docs/${name}.md`, import.meta.url), 'utf8').replaceAll(/\s+/g, ' ');

/** What stands behind each file that a page names: it must begin with the title of a test, or name the file alone. */
function faultsOf(text: string): string[] {
  return [...text.matchAll(/`(test\/[\w./-]+\.test\.ts)`(.{0,400})/g)].flatMap(([, file = '', rest = '']) => {
    if (!existsSync(new URL(`../../../${file}`, import.meta.url))) return [`${file} is not there`];
    const isAlone = /^([):,|]| \||,? fails when)/.test(rest);
    const isTitled = [...titlesOf(file)].some((title) => rest.startsWith(` ${title.replaceAll(/\s+/g, ' ')}`));
    return isAlone || isTitled ? [] : [`${file}${rest.slice(0, 80)}`];
  });
}

describe.each(['recovery', 'faults'])('docs/%s.md', (name) => {
  test('names only tests that are there', () => {
    expect(page(name)).toContain('.test.ts`');
    expect(faultsOf(page(name))).toEqual([]);
  });
});

test('docs/faults.md has all 27 scenarios of recovery, in order', () => {
  const numbers = readFileSync(new URL('../../../docs/faults.md', import.meta.url), 'utf8').matchAll(/^\| (\d+) \|/gm);
  expect([...numbers].map(([, number]) => Number(number))).toEqual(Array.from({ length: 27 }, (_, index) => index + 1));
});
