// npm run bench -- scenarios: each scenario with each client, on each broker.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { withBrokers } from '../brokers.mjs';
import { ours } from '../clients/index.mjs';
import { summaries, whole } from '../figures.mjs';
import { measureOnce } from '../measure.mjs';
import { UsageError, choose, commonUsage, listOf, positiveInteger, readOptions } from '../options.mjs';
import { buildLeveret, installDependencies, installLeveret } from '../prerequisites.mjs';
import { setting, writePart } from '../results.mjs';
import { clientSuite, suites } from './suites.mjs';

const names = (list) => [...new Set(list)];
const scenarioNames = names(suites.flatMap(({ scenarios }) => Object.keys(scenarios)));
const clientNames = names(suites.flatMap(({ clients }) => clients.map(({ name }) => name)));
const suiteNames = suites.map(({ name }) => name);

export const usage = `Usage: npm run bench -- scenarios [options]

Each scenario with leveret, its peers and the floor: a process each, interleaved, medians. The NestJS suites are measured on
the first broker alone.

  --only A,B           of ${scenarioNames.join(', ')}
  --suites A,B         of ${suiteNames.join(', ')}
  --clients A,B        of ${clientNames.join(', ')}
  --messages N         messages of one measurement, after a warm-up (default: by scenario)
  --size BYTES         length of a body (default 256; that of 'large' is 1 MiB)
${commonUsage}`;

const text = { type: 'string' };
const specification = { only: text, suites: text, clients: text, messages: text, size: { ...text, default: '256' } };

/** @throws {UsageError} */
export function read(args, environment) {
  const options = readOptions(args, specification, { rounds: 5 }, environment);
  const size = positiveInteger('--size', options.size);
  const asked = {
    scenarios: choose('scenario', listOf(options.only), scenarioNames),
    clients: choose('client', listOf(options.clients), clientNames),
    suites: choose('suite', listOf(options.suites), suiteNames),
  };
  const isAsked = (what, name) => asked[what].length === 0 || asked[what].includes(name);
  const chosen = suites
    .filter(({ name }) => isAsked('suites', name))
    .map((suite) => ({
      ...suite,
      names: Object.keys(suite.scenarios).filter((name) => isAsked('scenarios', name)),
      // Not every suite has each of the clients.
      clients: suite.clients.filter(({ name, isExtra }) =>
        isExtra ? asked.clients.includes(name) : isAsked('clients', name),
      ),
    }))
    .filter((suite) => suite.names.length > 0 && suite.clients.length > 0);
  try {
    for (const { messageOf } of chosen) messageOf(size);
  } catch (error) {
    throw new UsageError(`--size: ${error.message}`);
  }
  return {
    ...options,
    size,
    suites: chosen,
    ...(options.messages ? { messages: positiveInteger('--messages', options.messages) } : {}),
  };
}

/** All that is asked for. */
export async function run(options) {
  installDependencies();
  const { formatScenarios } = await import('../report/scenarios.mjs');
  const part = await withBrokers(options, (brokers) => measure(options, brokers));
  writePart(options.json, 'scenarios', part);
  console.log(formatScenarios(part));
}

/** @returns the part of the results */
export async function measure(options, brokers) {
  for (const suite of options.suites) prepareSuite(suite);
  const { rounds, size } = options;
  const part = { ...setting(), brokers: brokers.map(({ name }) => name), rounds, size, results: [] };
  for (const [index, broker] of brokers.entries()) {
    for (const suite of options.suites) {
      if (index > 0 && suite.name !== clientSuite.name) continue;
      for (const name of suite.names) part.results.push(...(await measureScenario(suite, name, options, broker)));
    }
  }
  return part;
}

export function prepareSuite({ clients, folder }) {
  installDependencies(folder && fileURLToPath(folder));
  if (!clients.some(({ name }) => name.startsWith(ours))) return;
  buildLeveret();
  if (folder !== undefined) installLeveret(fileURLToPath(folder));
}

/** All rounds of one scenario. Each round begins with another client, so that none always runs first. */
async function measureScenario(suite, name, options, { name: brokerName, url, broker }) {
  const measured = suite.clients.map((client) => ({ client, rounds: [] }));
  const messages = options.messages ?? suite.scenarios[name].messages;
  const given = { ...options, url, messages: options.quick ? Math.ceil(messages / 4) : messages };
  for (let round = 0; round < options.rounds; round++) {
    const shift = round % measured.length;
    for (const entry of [...measured.slice(shift), ...measured.slice(0, shift)]) {
      const { supported, ...figures } = await measureOnce(suite, name, entry.client, given, broker);
      if (!supported) continue;
      entry.rounds.push(figures);
      console.error(
        `${brokerName}, ${suite.title}, ${name}, round ${round + 1} of ${options.rounds}: ${entry.client.name} ` +
          `${whole(figures.messagesPerSecond)} messages/s, ${figures.cpuMicrosecondsPerMessage.toFixed(2)} µs`,
      );
    }
  }
  return measured
    .filter(({ rounds }) => rounds.length > 0)
    .map(({ client, rounds }) => ({
      broker: brokerName,
      suite: suite.name,
      scenario: name,
      title: suite.scenarios[name].title,
      client: client.name,
      version: JSON.parse(readFileSync(client.manifest, 'utf8')).version,
      ...(client.role === undefined ? {} : { role: client.role }),
      messages: given.messages,
      ...summaries(rounds),
    }));
}
