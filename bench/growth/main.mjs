// npm run bench -- growth: how the cost grows with what there is, on the first broker.
import { withBrokers } from '../brokers.mjs';
import { short, summaries, whole } from '../figures.mjs';
import { choose, commonUsage, listOf, readOptions } from '../options.mjs';
import { buildLeveret, installDependencies } from '../prerequisites.mjs';
import { firstLine, inProcess } from '../process.mjs';
import { setting, writePart } from '../results.mjs';
import { messageFile, series } from './series.mjs';

const names = series.map(({ name }) => name);

export const usage = `Usage: npm run bench -- growth [options]

How the CPU time of leveret grows: no step may be worse than linear.

  --only A,B           of ${names.join(', ')}
${commonUsage}`;

/** @throws {UsageError} */
export function read(args, environment) {
  const options = readOptions(args, { only: { type: 'string' } }, { rounds: 3 }, environment);
  const asked = choose('series', listOf(options.only), names);
  return { ...options, series: series.filter(({ name }) => asked.length === 0 || asked.includes(name)) };
}

export async function run(options) {
  installDependencies();
  buildLeveret();
  const { formatGrowth } = await import('../report/growth.mjs');
  const part = await withBrokers(options, (brokers) => measure(options, brokers));
  writePart(options.json, 'growth', part);
  console.log(formatGrowth(part));
}

/** @returns the part of the results */
export async function measure(options, [{ name: brokerName, url, broker }]) {
  const part = { ...setting(), broker: brokerName, rounds: options.rounds, series: [] };
  for (const one of options.series) {
    const points = (options.quick ? one.quickPoints : one.points).map((x) => ({ x, rounds: [] }));
    for (let round = 0; round < options.rounds; round++) {
      for (const { x, rounds } of points) {
        const figures = await measurePoint(one, x, url, broker);
        rounds.push(figures);
        const told = Object.entries(figures).map(([name, value]) => `${one.figures[name].label} ${short(value)} µs`);
        console.error(
          `${brokerName}, ${one.name}, round ${round + 1} of ${options.rounds}: ${whole(x)} ${one.unit}: ${told.join(', ')}`,
        );
      }
    }
    const { name, title, unit, figures } = one;
    part.series.push({
      ...{ name, title, unit, figures },
      points: points.map(({ x, rounds }) => ({ x, ...summaries(rounds) })),
    });
  }
  return part;
}

let queues = 0;

async function measurePoint(one, x, url, broker) {
  const queue = `leveret.bench.growth.${process.pid}.${(queues += 1)}`;
  const messages = one.messagesAt(x);
  const { jobs, queues: used } = await one.prepare(broker, queue, x, messages);
  try {
    const task = {
      ...{ clientFile: one.client.file, messageFile, methods: one.methods, url, jobs },
      size: one.message?.(x) ?? {},
    };
    const result = await inProcess(new URL('../worker.mjs', import.meta.url), task, { limit: 300_000 });
    return Object.fromEntries(Object.keys(one.figures).map((figure) => [figure, result[figure]]));
  } catch (error) {
    throw new Error(`${one.name} with ${x}: ${firstLine(error)}`, { cause: error });
  } finally {
    for (const name of used) await broker.deleteQueue(name);
  }
}
