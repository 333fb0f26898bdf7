// npm run bench:recovery: what it costs to have everything back after a lost connection, from the end of the handshake to
// the last consumer, beside the time that the broker needs for the same declares, and beside amqp-connection-manager.
// Exit code: 0, 1 when a measurement failed, 2 when an option is wrong or the broker cannot be reached.
import os from 'node:os';
import { parseArgs } from 'node:util';
import { UsageError, withoutCredentials, withoutPasswords } from './options.mjs';
import { buildLeveret, installDependencies } from './prerequisites.mjs';

const defaultUrl = 'amqp://guest:guest@127.0.0.1:5672';
const usage = `Usage: npm run bench:recovery -- [options]

Cuts a connection that has N durable queues, each with a binding and a consumer, over min(10, N) channels, and measures how
long it takes until all is back.

  --url URL        the broker (default: $AMQP_URL, else ${defaultUrl})
  --counts A,B     numbers of queues (default 1,100,1000,5000)
  --rounds N       measurements of each, interleaved (default 7)
  --json           print the results as JSON
  --help`;

let url;
try {
  const options = readOptions();
  if (options === undefined) console.log(usage);
  else await main(options);
} catch (error) {
  const line = `bench:recovery: ${error.message}`;
  console.error(url === undefined ? line : withoutPasswords(line, [url]));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
process.exit();

function readOptions() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        url: { type: 'string' },
        counts: { type: 'string', default: '1,100,1000,5000' },
        rounds: { type: 'string', default: '7' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  if (values.help) return undefined;
  url = values.url ?? process.env.AMQP_URL ?? defaultUrl;
  if (!URL.canParse(url) || !/^amqp:/.test(url)) throw new UsageError('--url takes a URL that begins with amqp://');
  const whole = (name, text) => {
    if (!/^[1-9]\d*$/.test(text)) throw new UsageError(`${name} takes whole numbers from 1, not '${text}'`);
    return Number(text);
  };
  return {
    url,
    counts: values.counts.split(',').map((text) => whole('--counts', text)),
    rounds: whole('--rounds', values.rounds),
    json: values.json,
  };
}

async function main({ url, counts, rounds, json }) {
  installDependencies();
  buildLeveret();
  const { startLeveret, startConnectionManager, declareRaw, openAdmin } = await import('./recovery-clients.mjs');
  const admin = await openAdmin(url).catch((error) => {
    throw new UsageError(`cannot use the broker at ${withoutCredentials(url)}: ${error.message}`);
  });
  const results = [];
  for (const count of counts) {
    const topology = topologyOf(count);
    const sides = [];
    try {
      // Each on its own names: a queue that is there already costs the broker less, so it is there for all.
      const leveret = await startLeveret(url, topology);
      sides.push(leveret);
      const manager = await startConnectionManager(url, topology);
      sides.push(manager);
      const figures = { leveret: [], raw1: [], raw4: [], manager: [] };
      for (let round = 0; round < rounds; round++) {
        const runs = [
          ['leveret', () => leveret.recover()],
          ['raw1', () => declareRaw(url, topology, 1)],
          ['raw4', () => declareRaw(url, topology, 4)],
          ['manager', () => manager.recover()],
        ];
        const shift = round % runs.length;
        for (const [name, run] of [...runs.slice(shift), ...runs.slice(0, shift)]) {
          figures[name].push(await run());
          // The broker tidies up after a connection that went.
          await new Promise((resolve) => setTimeout(resolve, 300 + count / 5));
        }
        console.error(`${count} queues, round ${round + 1} of ${rounds}`);
      }
      const raw = Math.min(median(figures.raw1), median(figures.raw4));
      results.push({ queues: count, ...figures, ratio: median(figures.leveret) / raw });
    } finally {
      for (const side of sides) await side.close();
      await admin.clean(topology);
    }
  }
  await admin.close();
  const setting = {
    date: new Date().toISOString(),
    node: process.version,
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    load: Number(os.loadavg()[0].toFixed(2)),
    broker: admin.version,
    rounds,
  };
  if (json) {
    console.log(JSON.stringify({ ...setting, results }, null, 2));
    return;
  }
  const { default: Table } = await import('cli-table3');
  console.log(
    `RabbitMQ ${setting.broker}, Node ${setting.node}, ${setting.cores} × ${setting.cpu}, load ${setting.load}; ` +
      `milliseconds, median of ${rounds} (lowest to highest)`,
  );
  const table = new Table({
    head: ['queues', 'leveret', 'raw, one channel', 'raw, four channels', 'leveret / raw', 'amqp-connection-manager'],
    style: { head: [], border: [] },
  });
  for (const { queues, leveret, raw1, raw4, manager, ratio } of results) {
    table.push([queues, spread(leveret), spread(raw1), spread(raw4), ratio.toFixed(2), spread(manager)]);
  }
  console.log(table.toString());
}

function topologyOf(count) {
  const prefix = `leveret.bench.recovery.${process.pid}.${count}`;
  return {
    exchange: prefix,
    channels: Math.min(10, count),
    queues: Array.from({ length: count }, (_, index) => `${prefix}.${index}`),
  };
}

function median(figures) {
  return figures.toSorted((one, other) => one - other)[figures.length >> 1];
}

function spread(figures) {
  return `${median(figures).toFixed(0)} (${Math.min(...figures).toFixed(0)} to ${Math.max(...figures).toFixed(0)})`;
}
