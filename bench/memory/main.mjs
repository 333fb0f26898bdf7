// npm run bench -- memory: what leveret holds, on an embedded broker inside this process; the client is in another.
import { whole } from '../figures.mjs';
import { UsageError, choose, commonUsage, listOf, positiveInteger, readOptions } from '../options.mjs';
import { buildLeveret, installDependencies } from '../prerequisites.mjs';
import { firstLine, inProcess } from '../process.mjs';
import { setting, writePart } from '../results.mjs';

/** What each part is given; `faults` prepares the broker. */
const tasks = {
  connections: () => ({ count: 200 }),
  channels: () => ({ count: 1000 }),
  consumers: () => ({ count: 1000 }),
  'in-flight publishes': () => ({ count: 10_000, faults: (faults) => faults.on().loseConfirms() }),
  'kept bodies': () => ({ messages: 30_000, size: 100, every: 300 }),
  'kept deliveries': () => ({ messages: 30_000, size: 100, every: 300 }),
  'slow consumer': () => ({ messages: 4_000, size: 10_240, prefetch: 100 }),
  'blocked broker': () => ({ messages: 2_000, size: 32_768, faults: (faults) => faults.on().block('low on memory') }),
  heap: ({ messages }) => ({ messages, samples: 20 }),
};
const names = Object.keys(tasks);

export const usage = `Usage: npm run bench -- memory [options]

What leveret holds for each idle connection, channel, ...; a heap that stays flat; bounds that hold. On the embedded broker,
whatever --url says: it is the client that is looked at.

  --only A,B           of ${names.join(', ')}
  --messages N         that the heap is watched over (default 1000000, --quick 200000)
${commonUsage}`;

/** @throws {UsageError} */
export function read(args, environment) {
  const text = { type: 'string' };
  const options = readOptions(args, { only: text, messages: text }, { rounds: 1 }, environment);
  if (options.rounds !== 1) throw new UsageError('--rounds: memory is counted after garbage collection, once');
  const asked = choose('part', listOf(options.only), names);
  return {
    ...options,
    parts: asked.length === 0 ? names : asked,
    messages: positiveInteger('--messages', options.messages ?? (options.quick ? '200000' : '1000000')),
  };
}

export async function run(options) {
  installDependencies();
  buildLeveret();
  const { formatMemory } = await import('../report/memory.mjs');
  const part = await measure(options);
  writePart(options.json, 'memory', part);
  console.log(formatMemory(part));
}

/** @returns the part of the results */
export async function measure(options) {
  const { EmbeddedBroker } = await import('../../dist/esm/broker/index.js');
  const part = { ...setting(), results: {} };
  for (const name of options.parts) {
    const { faults, ...task } = tasks[name](options);
    const broker = await EmbeddedBroker.start({ port: 0, heartbeat: 0 });
    try {
      faults?.(broker.faults);
      part.results[name] = await inProcess(
        new URL('./worker.mjs', import.meta.url),
        { name, url: broker.url, queue: 'leveret.bench.memory', ...task },
        { limit: 120_000 + (task.messages ?? 0), nodeOptions: ['--expose-gc'] },
      );
      const { bytes } = part.results[name];
      console.error(`memory, ${name}${bytes === undefined ? '' : `: ${whole(bytes)} bytes`}`);
    } catch (error) {
      throw new Error(`memory, ${name}: ${firstLine(error)}`, { cause: error });
    } finally {
      await broker.stop();
    }
  }
  return part;
}
