// npm run bench -- broker: how soon the embedded broker starts, what it holds in memory, and how fast it is beside other
// brokers, with one client for all. Standard output carries the results alone.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { withBrokers } from '../brokers.mjs';
import { median, summary, whole } from '../figures.mjs';
import { measureOnce } from '../measure.mjs';
import { choose, commonUsage, listOf, positiveInteger, readOptions } from '../options.mjs';
import { buildLeveret, installDependencies } from '../prerequisites.mjs';
import { setting, writePart } from '../results.mjs';
import { startProgram } from './program.mjs';
import { messageOf, scenarios } from './scenarios.mjs';

const partNames = ['start', 'memory', ...Object.keys(scenarios)];

export const usage = `Usage: npm run bench -- broker [options]

The embedded broker: start, memory, and rates, beside those of other brokers, with leveret as the client of all.

  --only A,B           of ${partNames.join(', ')}
  --messages N         messages of one measurement, after a warm-up (default: by scenario)
  --size BYTES         length of a body (default 256)
${commonUsage}`;

const suite = { scenarios, messageOf, messageFile: new URL('./scenarios.mjs', import.meta.url) };
const client = { name: 'leveret', file: new URL('../clients/leveret.mjs', import.meta.url) };
const starts = 10;

/** @throws {UsageError} */
export function read(args, environment) {
  const text = { type: 'string' };
  const more = { only: text, messages: text, size: { ...text, default: '256' } };
  const options = readOptions(args, more, { rounds: 3 }, environment);
  const asked = choose('part', listOf(options.only), partNames);
  return {
    ...options,
    size: positiveInteger('--size', options.size),
    ...(options.messages ? { messages: positiveInteger('--messages', options.messages) } : {}),
    parts: asked.length === 0 ? partNames : asked,
  };
}

export async function run(options) {
  installDependencies();
  buildLeveret();
  const { parts, rounds, size } = options;
  const names = Object.keys(scenarios).filter((name) => parts.includes(name));
  const part = {
    ...setting(),
    rounds,
    size,
    ...(parts.includes('start') ? { start: await measureStart() } : {}),
    ...(parts.includes('memory') ? { memory: await runScript('memory.mjs', ['--expose-gc']) } : {}),
    ...(names.length > 0 ? { rates: await measureRates(options, names) } : {}),
  };
  writePart(options.json, 'broker', part);
  print(part);
}

async function runScript(name, nodeOptions = []) {
  console.error(name.replace('.mjs', ''));
  const file = fileURLToPath(new URL(name, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, ...nodeOptions, file]);
  return JSON.parse(stdout);
}

async function measureStart() {
  const inProcess = [];
  const byProgram = [];
  for (let count = 0; count < starts; count++) {
    inProcess.push(await runScript('start.mjs'));
    const { milliseconds, stop } = await startProgram();
    byProgram.push(milliseconds);
    await stop();
  }
  return {
    load: median(inProcess.map(({ load }) => load)),
    first: median(inProcess.map(({ first }) => first)),
    later: median(inProcess.map(({ later }) => later)),
    program: median(byProgram),
    programLeast: Math.min(...byProgram),
  };
}

/** Brokers take turns in each scenario, and each round begins with another one. */
async function measureRates(options, names) {
  return withBrokers({ ...options, embedded: true }, async (brokers) => {
    const rates = [];
    for (const scenario of names) {
      const rounds = brokers.map(() => []);
      for (let round = 0; round < options.rounds; round++) {
        for (let turn = 0; turn < brokers.length; turn++) {
          const index = (round + turn) % brokers.length;
          const { url, name, broker } = brokers[index];
          const given = { url, size: options.size, ...(options.messages ? { messages: options.messages } : {}) };
          const { messagesPerSecond } = await measureOnce(suite, scenario, client, given, broker);
          rounds[index].push(messagesPerSecond);
          console.error(`${scenario}, round ${round + 1} of ${options.rounds}: ${name} ${whole(messagesPerSecond)}`);
        }
      }
      for (const [index, { name }] of brokers.entries())
        rates.push({ scenario, broker: name, ...summary(rounds[index]) });
    }
    return rates;
  });
}

function print({ start, memory, rates = [], ...about }) {
  console.log(
    `Node ${about.node}, ${about.cores} × ${about.cpu}, load ${about.load} before\n` +
      `rates: median (lowest–highest) of ${about.rounds} rounds with bodies of ${whole(about.size)} bytes`,
  );
  if (start !== undefined) {
    console.log(
      `\nstart, medians of ${starts}: ${start.load.toFixed(1)} ms to load the module and ${start.first.toFixed(1)} ms to start, ` +
        `${start.later.toFixed(1)} ms each later start; ${start.program.toFixed(0)} ms to the program's URL (the quickest ${start.programLeast.toFixed(0)})`,
    );
  }
  for (const [what, { count, heap, rss }] of Object.entries(memory ?? {})) {
    console.log(`memory of one of ${whole(count)} ${what}: ${whole(heap)} bytes held, ${whole(rss)} of the process`);
  }
  for (const scenario of new Set(rates.map((rate) => rate.scenario))) {
    console.log(`\n${scenarios[scenario].title}`);
    for (const rate of rates.filter((one) => one.scenario === scenario)) {
      console.log(
        `  ${rate.broker.padEnd(18)} ${whole(rate.median).padStart(9)} messages/s (${whole(rate.min)}–${whole(rate.max)})`,
      );
    }
  }
}
