// npm run bench -- latency: from publish to delivery, open loop, beside the peers and the floor.
import { withBrokers } from '../brokers.mjs';
import { clients } from '../clients/index.mjs';
import { short, summaries, whole } from '../figures.mjs';
import { UsageError, choose, commonUsage, listOf, positiveInteger, readOptions } from '../options.mjs';
import { buildLeveret, installDependencies } from '../prerequisites.mjs';
import { firstLine, inProcess } from '../process.mjs';
import { setting, writePart } from '../results.mjs';

const defaultRates = '1000,5000,10000';
const clientNames = clients.map(({ name }) => name);

export const usage = `Usage: npm run bench -- latency [options]

From publish to delivery through a queue, on the first broker: messages are sent by a schedule, and measured from when they
were due, so that a client that stands still is charged for all that it kept waiting (no coordinated omission).

  --rates A,B          messages a second, in thousands (default ${defaultRates})
  --seconds N          of one measurement, after one second of warm-up (default 3)
  --clients A,B        of ${clientNames.join(', ')}
  --size BYTES         length of a body (default 256)
${commonUsage}`;

/** @throws {UsageError} */
export function read(args, environment) {
  const text = { type: 'string' };
  const more = {
    rates: { ...text, default: defaultRates },
    seconds: text,
    clients: text,
    size: { ...text, default: '256' },
  };
  const options = readOptions(args, more, { rounds: 3 }, environment);
  const rates = listOf(options.rates).map((rate) => positiveInteger('--rates', rate));
  if (rates.some((rate) => rate % 1000 !== 0))
    throw new UsageError('--rates takes thousands: messages are due every millisecond');
  const size = positiveInteger('--size', options.size);
  if (size < 4) throw new UsageError('--size: a body holds a number of 4 bytes at least');
  const asked = choose('client', listOf(options.clients), clientNames);
  return {
    ...options,
    rates,
    size,
    seconds: positiveInteger('--seconds', options.seconds ?? (options.quick ? '2' : '3')),
    clients: clients.filter(({ name, isExtra }) => (asked.length === 0 ? !isExtra : asked.includes(name))),
  };
}

export async function run(options) {
  installDependencies();
  buildLeveret();
  const { formatLatency } = await import('../report/latency.mjs');
  const part = await withBrokers(options, (brokers) => measure(options, brokers));
  writePart(options.json, 'latency', part);
  console.log(formatLatency(part));
}

/** @returns the part of the results */
export async function measure(options, [{ name: brokerName, url, broker }]) {
  const { rounds, size, seconds, rates } = options;
  const part = { ...setting(), broker: brokerName, rounds, size, seconds, results: [] };
  for (const rate of rates) {
    const measured = options.clients.map((client) => ({ client, rounds: [] }));
    for (let round = 0; round < rounds; round++) {
      const shift = round % measured.length;
      for (const entry of [...measured.slice(shift), ...measured.slice(0, shift)]) {
        const figures = await measureOnce(entry.client, { url, broker, rate, size, seconds });
        entry.rounds.push(figures);
        console.error(
          `${brokerName}, latency at ${whole(rate)}/s, round ${round + 1} of ${rounds}: ${entry.client.name} ` +
            `p50 ${short(figures.p50)} ms, p99 ${short(figures.p99)} ms`,
        );
      }
    }
    for (const { client, rounds: figures } of measured) {
      part.results.push({ rate, client: client.name, role: client.role, ...summaries(figures) });
    }
  }
  return part;
}

let queues = 0;

async function measureOnce(client, { url, broker, rate, size, seconds }) {
  const queue = `leveret.bench.latency.${process.pid}.${(queues += 1)}`;
  await broker.declareQueue(queue);
  try {
    const task = { clientFile: client.file, url, queue, rate, size, seconds, warmUpSeconds: 1 };
    return await inProcess(new URL('./worker.mjs', import.meta.url), task, { limit: 60_000 + 2_000 * seconds });
  } catch (error) {
    throw new Error(`latency at ${rate}/s with ${client.name}: ${firstLine(error)}`, { cause: error });
  } finally {
    await broker.deleteQueue(queue);
  }
}
