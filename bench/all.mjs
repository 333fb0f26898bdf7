// npm run bench -- all: the whole run, and the report, for docs/performance.md.
import { withBrokers } from './brokers.mjs';
import * as growth from './growth/main.mjs';
import * as latency from './latency/main.mjs';
import * as memory from './memory/main.mjs';
import { commonUsage, readOptions } from './options.mjs';
import { buildLeveret, installDependencies } from './prerequisites.mjs';
import * as report from './report/main.mjs';
import { writePart } from './results.mjs';
import * as scenarios from './scenarios/main.mjs';
import * as worth from './worth/main.mjs';

export const usage = `Usage: npm run bench -- all [options]

Scenarios, latency, growth, worth and memory, then docs/performance.md out of them. On a quiet machine with two cores and one broker
it takes about 20 minutes (--quick: 4); each further broker, on which only the scenarios of the clients are measured, adds 4.

  --no-report          leaves the documents as they are
${commonUsage}`;

/** @throws {UsageError} */
export function read(args, environment) {
  const isReported = !args.includes('--no-report');
  const given = args.filter((one) => one !== '--no-report');
  const common = readOptions(given, {}, { rounds: 5 }, environment);
  return {
    ...common,
    isReported,
    scenarios: scenarios.read(given, environment),
    latency: latency.read(given, environment),
    growth: growth.read(given, environment),
    worth: worth.read(given, environment),
    // On a broker of its own, and once.
    memory: memory.read(common.quick ? ['--quick'] : [], environment),
  };
}

export async function run(options) {
  installDependencies();
  buildLeveret();
  const begin = performance.now();
  const write = (name, part) => {
    writePart(options.json, name, part);
    console.error(`bench: ${((performance.now() - begin) / 60_000).toFixed(1)} minutes so far`);
  };
  await withBrokers(options, async (brokers) => {
    write('scenarios', await scenarios.measure(options.scenarios, brokers));
    write('latency', await latency.measure(options.latency, brokers));
    write('growth', await growth.measure(options.growth, brokers));
    write('worth', await worth.measure(options.worth, brokers));
  });
  write('memory', await memory.measure(options.memory));
  if (options.isReported) await report.run(report.read([options.json]));
}
