// npm run bench -- report FILE...: tables and charts out of files of results, into docs/performance.md and docs/images.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError, parse } from '../options.mjs';
import { installDependencies } from '../prerequisites.mjs';
import { readResults } from '../results.mjs';

/** What a document begins with that is not there yet. */
const beginning = new URL('./performance.md', import.meta.url);
const root = fileURLToPath(new URL('../../', import.meta.url));

export const usage = `Usage: npm run bench -- report [FILE...]

Writes what stands in the files of results (default: bench/results/latest.json) between the markers of docs/performance.md,
and the charts into docs/images. Of a part that is in several files the last one counts; what no file has stays as it is.

  --document FILE      instead of docs/performance.md; its images go into images/ beside it
  --help`;

/** @throws {UsageError} */
export function read(args) {
  const { values, positionals } = parse(args, {
    document: { type: 'string', default: path.join(root, 'docs', 'performance.md') },
    help: { type: 'boolean', default: false },
  });
  return { ...values, files: positionals.length > 0 ? positionals : ['bench/results/latest.json'] };
}

export async function run({ files, document }) {
  installDependencies();
  const { sectionsOf } = await import('./sections.mjs');
  const results = Object.assign({}, ...files.map(readResults));
  const sections = sectionsOf(results);
  if (sections.length === 0) throw new UsageError(`nothing that is reported stands in ${files.join(', ')}`);
  const images = path.join(path.dirname(document), 'images');
  mkdirSync(images, { recursive: true });
  let text = readFileSync(existsSync(document) ? document : beginning, 'utf8');
  for (const { name, markdown, charts } of sections) {
    text = replaced(text, name, markdown);
    for (const { file, svg } of charts) writeFileSync(path.join(images, file), svg);
  }
  writeFileSync(document, await formatted(document, text));
  const count = sections.reduce((sum, { charts }) => sum + charts.length, 0);
  console.error(`bench: ${sections.map(({ name }) => name).join(', ')} and ${count} charts are in ${document}`);
}

/** The text with something else between `<!-- bench:name -->` and `<!-- /bench:name -->`. */
function replaced(text, name, markdown) {
  const [begin, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the document has no markers ${begin} and ${end}`);
  return `${text.slice(0, from + begin.length)}\n\n${markdown}\n\n${text.slice(to)}`;
}

async function formatted(file, text) {
  const { format, resolveConfig } = await import('prettier');
  return format(text, { ...(await resolveConfig(file)), filepath: file });
}
