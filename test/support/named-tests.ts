/** Finds the tests that a page of the documentation names, so that none is named that is not there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));
const known = new Map<string, ReadonlySet<string>>();

/** The titles of all tests of a file, and of the groups that hold them, as they stand in the source. */
export function titlesOf(file: string): ReadonlySet<string> {
  const found = known.get(file);
  if (found) return found;
  const titles = new Set<string>();
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest);
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const [title] = node.arguments;
      let callee: ts.Node = node.expression;
      while (ts.isCallExpression(callee) || ts.isPropertyAccessExpression(callee)) callee = callee.expression;
      const isTest = ts.isIdentifier(callee) && /^(test|it|describe\w*)$/.test(callee.text);
      if (isTest && title && ts.isStringLiteralLike(title)) titles.add(title.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  known.set(file, titles);
  return titles;
}

/** Of entries such as `` `test/unit/x.test.ts` its title ``, those whose file or title is not there. */
export function missingTests(entries: readonly string[]): string[] {
  return entries.filter((entry) => {
    const [, file = '', title = ''] = /^`([^`]+)` (.+)$/.exec(entry) ?? [];
    return file === '' || !existsSync(join(root, file)) || !titlesOf(file).has(title);
  });
}
