/**
 * docs/parity-pika.md tells the truth: each name of ours that it mentions is there, and each test that it names is.
 *
 * A row of its tables has three cells: Pika's names; ours, or `none:` and why; the tests. In the second cell every code
 * span is an export of leveret/amqp or a member of one; in the third each test is the code span of a file and a title.
 */
import { describe, expect, test } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { missingTests } from '../../support/named-tests.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const page = readFileSync(join(root, 'docs', 'parity-pika.md'), 'utf8');

interface Row {
  readonly pika: string;
  readonly ours: string;
  readonly tests: readonly string[];
}

function rowsOf(markdown: string): Row[] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\| *(:?-|Pika |Example )/.test(line))
    .map((line) => {
      const cells = line.split('|').map((cell) => cell.trim());
      if (cells.length !== 5) throw new Error(`not three cells: ${line}`);
      const [, pika = '', ours = '', tests = ''] = cells;
      return { pika, ours, tests: tests === '' ? [] : tests.split('<br>').map((entry) => entry.trim()) };
    });
}

function codeSpans(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}

/** Every public name of leveret/amqp, with the names of its members. */
function publicNames(): Map<string, Set<string>> {
  const entry = join(root, 'lib', 'amqp', 'index.ts');
  // Without any library: what lib/amqp declares itself is all that is asked for.
  const program = ts.createProgram([entry], { noLib: true, types: [], module: ts.ModuleKind.NodeNext });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entry);
  const symbol = source && checker.getSymbolAtLocation(source);
  if (!symbol) throw new Error('leveret/amqp has no exports');
  return new Map(
    checker.getExportsOfModule(symbol).map((exported) => {
      const target = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      const type = checker.getDeclaredTypeOfSymbol(target);
      const types = type.isUnion() ? type.types : [type];
      return [exported.name, new Set(types.flatMap((each) => each.getProperties().map(({ name }) => name)))];
    }),
  );
}

describe('the comparison with Pika', () => {
  const rows = rowsOf(page);

  test('has a counterpart and a test, or a reason, in every row', () => {
    expect(rows.length).toBeGreaterThan(100);
    const empty = rows.filter(({ ours, tests }) =>
      ours.startsWith('none:')
        ? ours.length < 12 || tests.length > 0
        : codeSpans(ours).length === 0 || tests.length === 0,
    );
    expect(empty).toEqual([]);
  });

  test('names only what leveret/amqp has', () => {
    const names = publicNames();
    const mentioned = new Set(rows.flatMap(({ ours }) => codeSpans(ours)));
    const unknown = [...mentioned].filter((mention) => {
      if (mention.startsWith('sample/')) return !existsSync(join(root, mention));
      const [name = '', member, ...rest] = mention.split('.');
      const members = names.get(name);
      return !members || rest.length > 0 || (member !== undefined && !members.has(member));
    });
    expect(unknown).toEqual([]);
  });

  test('names only tests that are there', () => {
    const missing = missingTests([...new Set(rows.flatMap(({ tests }) => tests))]);
    expect(missing).toEqual([]);
  });
});
