// npm run bench -- broker: how soon the embedded broker starts, what it holds in memory, and how fast it is beside other
// brokers, with one client for all. Standard output carries the results alone.
import { execFile } from 'node:child_process';
import os from 'node:os';
import { parseArgs, promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { firstLine, measureOnce } from '../measure.mjs';
import { UsageError, brokerUrl, positiveInteger, withoutCredentials } from '../options.mjs';
import { buildLeveret, installDependencies } from '../prerequisites.mjs';
import { messageOf, modes } from './modes.mjs';
import { startProgram } from './program.mjs';

const usage = `Usage: npm run bench -- broker [options]

Measures the embedded broker: start, memory, and rates, beside those of other brokers.

  --url URL[,URL]    other brokers (default: $AMQP_URL, else none)
  --messages N       messages of one measurement, after a warm-up (default 100000)
  --rounds N         measurements of each broker, interleaved (default 3)
  --size BYTES       length of a body (default 256)
  --only PART[,PART] of start, memory, ${Object.keys(modes).join(', ')} (default: all)
  --json             print the results as JSON
  --help`;

const suite = { modes, messageOf, modesFile: new URL('./modes.mjs', import.meta.url) };
const client = { name: 'leveret', file: new URL('./client.mjs', import.meta.url) };
const starts = 10;

/** @throws {UsageError} */
function read(args, environment) {
  const text = { type: 'string' };
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        url: text,
        messages: { ...text, default: '100000' },
        rounds: { ...text, default: '3' },
        size: { ...text, default: '256' },
        only: text,
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(`${error.message.split(/[.\n]/)[0]} (broker --help lists the options)`);
  }
  const parts = ['start', 'memory', ...Object.keys(modes)];
  const asked = values.only?.split(',').map((part) => part.trim()) ?? parts;
  const unknown = asked.find((part) => !parts.includes(part));
  if (unknown !== undefined) throw new UsageError(`unknown part '${unknown}'; known: ${parts.join(', ')}`);
  const urls = (values.url ?? environment.AMQP_URL ?? '').split(',').filter((url) => url !== '');
  return {
    ...values,
    urls: urls.map(brokerUrl),
    messages: positiveInteger('--messages', values.messages),
    rounds: positiveInteger('--rounds', values.rounds),
    size: positiveInteger('--size', values.size),
    asks: (part) => asked.includes(part),
    modeNames: Object.keys(modes).filter((mode) => asked.includes(mode)),
  };
}

export async function main(args, environment) {
  const options = read(args, environment);
  if (options.help) {
    console.log(usage);
    return;
  }
  installDependencies();
  buildLeveret();
  const loadBefore = os.loadavg()[0];
  const results = {
    date: new Date().toISOString(),
    node: process.version,
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    loadBefore: Number(loadBefore.toFixed(2)),
    messages: options.messages,
    size: options.size,
    rounds: options.rounds,
    ...(options.asks('start') ? { start: await measureStart() } : {}),
    ...(options.asks('memory') ? { memory: await runScript('memory.mjs', ['--expose-gc']) } : {}),
    ...(options.modeNames.length > 0 ? { rates: await measureRates(options) } : {}),
  };
  if (options.json) console.log(JSON.stringify(results, null, 2));
  else await print(results);
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

/** Brokers take turns in each mode, and each round begins with another one. */
async function measureRates(options) {
  const { openBroker } = await import('../broker.mjs');
  const own = await startProgram();
  const brokers = [];
  try {
    for (const url of [own.url, ...options.urls]) {
      const broker = await openBroker(url).catch((error) => {
        throw new UsageError(`cannot use the broker at ${withoutCredentials(url)}: ${firstLine(error)}`);
      });
      const name = url === own.url ? 'embedded broker' : `${broker.product} ${broker.version}`;
      brokers.push({ url, name, broker });
    }
    const rates = [];
    for (const mode of options.modeNames) {
      const rounds = brokers.map(() => []);
      for (let round = 0; round < options.rounds; round++) {
        for (let turn = 0; turn < brokers.length; turn++) {
          const index = (round + turn) % brokers.length;
          const { url, name, broker } = brokers[index];
          const { messagesPerSecond } = await measureOnce(suite, mode, client, { ...options, url }, broker);
          rounds[index].push(messagesPerSecond);
          console.error(`${mode}, round ${round + 1} of ${options.rounds}: ${name} ${Math.round(messagesPerSecond)}`);
        }
      }
      for (const [index, { name }] of brokers.entries()) {
        const values = rounds[index];
        rates.push({ mode, broker: name, median: median(values), min: Math.min(...values), max: Math.max(...values) });
      }
    }
    return rates;
  } finally {
    for (const { broker } of brokers) await broker.close();
    await own.stop();
  }
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

async function print({ start, memory, rates = [], ...setting }) {
  const { whole } = await import('../report.mjs');
  console.log(
    `Node ${setting.node}, ${setting.cores} × ${setting.cpu}, load ${setting.loadBefore} before\n` +
      `rates: median (lowest–highest) of ${setting.rounds} rounds of ${whole(setting.messages)} messages of ${whole(setting.size)} bytes`,
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
  for (const mode of new Set(rates.map((rate) => rate.mode))) {
    console.log(`\n${modes[mode].title}`);
    for (const rate of rates.filter((one) => one.mode === mode)) {
      console.log(
        `  ${rate.broker.padEnd(18)} ${whole(rate.median).padStart(9)} messages/s (${whole(rate.min)}–${whole(rate.max)})`,
      );
    }
  }
}
