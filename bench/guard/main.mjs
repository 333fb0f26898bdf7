// npm run bench:guard: has a change made the client dearer? Compares with baseline.json what leveret allocates for a message,
// and its CPU time in multiples of the floor's and of a yardstick in the same run, on the embedded broker in a process of its own.
// Exit code: 0, 1 when something is dearer than the baseline allows, 2 when an option is wrong.
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { clients, floor, ours } from '../clients/index.mjs';
import { short } from '../figures.mjs';
import { UsageError, parse } from '../options.mjs';
import { buildLeveret, installDependencies } from '../prerequisites.mjs';
import { inProcess } from '../process.mjs';
import { Rounds, judge } from './judgement.mjs';
import { scenarios } from './scenarios.mjs';

/** Rounds of a scenario that goes on seeming dearer. */
const most = 6;
/** In milliseconds after the start: from then on nothing is measured again. */
const deadline = 35_000;
const baselineFile = new URL('./baseline.json', import.meta.url);
const usage = `Usage: npm run bench:guard [-- options]

  --update             writes what is measured now as the baseline
  --help`;

const nodeMajor = Number(process.versions.node.split('.')[0]);
let queues = 0;
try {
  const options = { update: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } };
  const { values, positionals } = parse(process.argv.slice(2), options);
  if (positionals.length > 0) throw new UsageError(`'${positionals[0]}' is not an option`);
  if (values.help) console.log(usage);
  else await main(values);
} catch (error) {
  console.error(`bench:guard: ${error.message}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function main({ update }) {
  installDependencies();
  buildLeveret();
  const { withBrokers } = await import('../brokers.mjs');
  const { node, scenarios: baseline } = JSON.parse(readFileSync(baselineFile, 'utf8'));
  if (!update && node !== nodeMajor) {
    console.log(
      `the baseline was made by Node ${node}, this is Node ${nodeMajor}: an older or newer engine allocates otherwise`,
    );
  }
  // Before our own work counts: more than half of the cores were at work over the last minute.
  const [load] = loadavg();
  const isBusy = load > availableParallelism() / 2;
  if (isBusy) console.log(`the machine is busy (load ${load.toFixed(1)}): CPU times are judged generously`);
  const failures = [];
  const measured = {};
  await withBrokers({ brokers: [], embedded: true }, async ([broker]) => {
    for (const [name, scenario] of Object.entries(scenarios)) {
      const rounds = new Rounds();
      // What seems dearer is measured again: a busy machine can make it so, never cheaper.
      const isEnough = () =>
        update
          ? rounds.count === most
          : rounds.count >= 2 && judge(name, rounds.best(), baseline[name], isBusy).length === 0;
      do {
        for (const client of [ours, floor]) rounds.add(client, await measure(client, scenario, broker));
      } while (!isEnough() && rounds.count < most && (update || performance.now() < deadline));
      measured[name] = rounds.best();
      const found = update ? [] : judge(name, measured[name], baseline[name], isBusy);
      failures.push(...found);
      const { bytes, cpu, ofFloor, ofYardstick } = measured[name];
      console.log(
        `${name}: ${short(bytes)} bytes allocated a message; CPU ${short(cpu)} µs, ${short(ofFloor)} times the floor's, ` +
          `${short(ofYardstick)} times the yardstick; ${rounds.count} rounds${found.length > 0 ? ': DEARER' : ''}`,
      );
    }
  });
  if (update) {
    writeFileSync(baselineFile, `${JSON.stringify({ node: nodeMajor, scenarios: measured }, rounded, 2)}\n`);
    console.log('these are the baseline now');
  }
  for (const failure of failures) console.error(`bench:guard: ${failure}`);
  if (failures.length > 0) process.exitCode = 1;
}

async function measure(name, { method, prepare }, { url, broker }) {
  const { file } = clients.find((client) => client.name === name);
  const queue = `leveret.guard.${(queues += 1)}`;
  const { jobs, used } = await prepare(broker, queue);
  try {
    return await inProcess(
      new URL('./worker.mjs', import.meta.url),
      { clientFile: file, url, method, jobs, repeats: jobs.measured.length },
      { limit: 60_000, nodeOptions: ['--expose-gc', '--min-semi-space-size=128', '--max-semi-space-size=128'] },
    );
  } finally {
    for (const one of used) await broker.deleteQueue(one);
  }
}

function rounded(key, value) {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value;
}
