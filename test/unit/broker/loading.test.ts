/** What `leveret/broker` loads before it starts: time that every test file pays which uses it. */
import { readFileSync } from 'node:fs';

/** The modules that are loaded with a file, by its static imports; what only types are imported of is not. */
function loadedWith(file: URL, seen = new Set<string>()): Set<string> {
  if (seen.has(file.href)) return seen;
  seen.add(file.href);
  const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)';/gm);
  for (const [statement, from = ''] of imports) {
    const names = /\{([^}]*)\}/.exec(statement)?.[1]?.split(',') ?? ['*'];
    if (names.every((name) => name.trim() === '' || name.trim().startsWith('type '))) continue;
    if (from.startsWith('.')) loadedWith(new URL(from.replace(/\.js$/, '.ts'), file), seen);
    else seen.add(from);
  }
  return seen;
}

test('the embedded broker loads no TLS, no cryptography and nothing that reads definitions until they are used', () => {
  const loaded = [...loadedWith(new URL('../../../lib/broker/index.ts', import.meta.url))];
  expect(loaded.filter((name) => !name.startsWith('file:')).toSorted()).toEqual(['node:events', 'node:net']);
  expect(loaded.filter((name) => /definitions|tls|tcp/.test(name))).toEqual([]);
  // It did follow the imports.
  expect(loaded).toContainEqual(expect.stringContaining('/store/message-queue.ts'));
});
