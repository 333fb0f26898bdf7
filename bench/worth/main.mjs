// npm run bench -- worth: what each of the things that make the client fast is worth, by turning it off.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { withBrokers } from '../brokers.mjs';
import { clients, ours } from '../clients/index.mjs';
import { summaries, whole } from '../figures.mjs';
import { measureOnce } from '../measure.mjs';
import { UsageError, commonUsage, readOptions } from '../options.mjs';
import { buildLeveret, installDependencies } from '../prerequisites.mjs';
import { setting, writePart } from '../results.mjs';
import { clientSuite } from '../scenarios/suites.mjs';
import { switches } from './switches.mjs';

const built = fileURLToPath(new URL('../../dist/esm/', import.meta.url));

export const usage = `Usage: npm run bench -- worth [options]

Copies the build, turns off one thing that makes it fast, and measures both, interleaved, on the first broker. Some 4 minutes.

${commonUsage}`;

/** @throws {UsageError} */
export function read(args, environment) {
  return readOptions(args, {}, { rounds: 5 }, environment);
}

export async function run(options) {
  installDependencies();
  buildLeveret();
  const { formatWorth } = await import('../report/worth.mjs');
  const part = await withBrokers(options, (brokers) => measure(options, brokers));
  writePart(options.json, 'worth', part);
  console.log(formatWorth(part));
}

/** @returns the part of the results */
export async function measure({ rounds, quick }, [{ name: brokerName, url, broker }]) {
  const client = clients.find(({ name }) => name === ours);
  const part = { ...setting(), broker: brokerName, rounds, results: [] };
  for (const one of switches) {
    const { messages } = clientSuite.scenarios[one.scenario];
    const given = { url, size: 256, messages: quick ? Math.ceil(messages / 4) : messages };
    const without = buildWithout(one);
    const measured = { with: [], without: [] };
    try {
      for (let round = 0; round < rounds; round++) {
        const order = round % 2 === 0 ? ['with', 'without'] : ['without', 'with'];
        for (const side of order) {
          process.env.LEVERET_BENCH_BUILD = pathToFileURL(side === 'with' ? built : without).href;
          const { supported: _, ...figures } = await measureOnce(clientSuite, one.scenario, client, given, broker);
          measured[side].push(figures);
          console.error(`${one.name}, ${side}: ${whole(figures.messagesPerSecond)} messages/s`);
        }
      }
    } finally {
      delete process.env.LEVERET_BENCH_BUILD;
      rmSync(path.dirname(without), { recursive: true, force: true });
    }
    const { name, scenario } = one;
    part.results.push({
      name,
      scenario,
      messages: given.messages,
      with: summaries(measured.with),
      without: summaries(measured.without),
    });
  }
  return part;
}

/** A copy of the build with the changes of a switch; the path of its folder, which ends in a slash. */
function buildWithout({ name, file, changes }) {
  const copy = path.join(mkdtempSync(path.join(tmpdir(), 'leveret-worth-')), 'esm');
  cpSync(built, copy, { recursive: true });
  // What says that these files are ES modules stands beside `dist`.
  writeFileSync(path.join(copy, 'package.json'), '{ "type": "module" }\n');
  const target = path.join(copy, file);
  let text = readFileSync(target, 'utf8');
  for (const [from, to] of changes) {
    if (text.split(from).length !== 2) throw new UsageError(`${name}: ${file} has not one place of ${from.trim()}`);
    text = text.replace(from, to);
  }
  writeFileSync(target, text);
  return `${copy}${path.sep}`;
}
