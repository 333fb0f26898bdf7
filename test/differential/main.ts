/**
 * `npm run test:differential -- --version 3.10 --sequences 2000 --seed 1`: random sequences on RabbitMQ and on the
 * embedded broker as that version. A sequence that differs is repeated on RabbitMQ alone: where that answers now one
 * way, now another, and one of them is the embedded broker's, it is printed as left to chance. Every other one is a
 * difference, shrunk and printed.
 * Exit code: 0, 1 when there is a difference, 2 when an option is wrong or there is no such broker.
 */
import fc from 'fast-check';
import { parseArgs } from 'node:util';
import { connectTcp, type Transport } from '../../lib/amqp/transport/index.js';
import { EmbeddedBroker, type EmulatedVersion } from '../../lib/broker/index.js';
import { askVersion, startRabbitmqNode } from '../../scripts/rabbitmq-node.mjs';
import { sequences } from './generate/sequences.js';
import { runSequence } from './run-sequence.js';
import { shrink } from './shrink.js';
import { firstDifference, streamLines, transcriptLines, type Step, type Transcript } from './steps.js';

const usage = `npm run test:differential -- [options]
  --version V      3.10 (default) or 4.3: what the embedded broker plays
  --url URL        of the RabbitMQ to compare with; default: AMQP_URL, else, for 3.10, a node of its own
  --sequences N    default 200
  --seed S         default: by the clock, and printed
  --only I         the I-th sequence of the seed alone
  --kinds A,B      plain, timed, quorum; default: mostly plain, some of the others
  --parallel P     sequences at once; default 6
  --most M         ends after M differences; default 10
  --no-shrink      print differences as they were found`;

class UsageError extends Error {}

const kinds = ['plain', 'timed', 'quorum'] as const;
type Kind = (typeof kinds)[number];

/** What RabbitMQ answered when a sequence that differs was repeated there alone. */
interface Repeats {
  readonly count: number;
  /** Different transcripts among them. */
  readonly variants: number;
  /** How many are as the embedded broker's. */
  readonly agreeing: number;
}

interface Difference {
  readonly repeats?: Repeats;
  readonly seed: number;
  readonly kind: Kind;
  readonly steps: readonly Step[];
  readonly expected: Transcript;
  readonly actual: Transcript;
}

function options() {
  const { values } = parseArgs({
    options: {
      version: { type: 'string', default: '3.10' },
      url: { type: 'string' },
      sequences: { type: 'string', default: '200' },
      seed: { type: 'string' },
      only: { type: 'string' },
      kinds: { type: 'string' },
      parallel: { type: 'string', default: '6' },
      most: { type: 'string', default: '10' },
      'no-shrink': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const integer = (name: string, text: string): number => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < 0) throw new UsageError(`--${name} takes a whole number from 0 on`);
    return value;
  };
  if (values.version !== '3.10' && values.version !== '4.3') throw new UsageError('--version takes 3.10 or 4.3');
  const version: EmulatedVersion = values.version;
  const chosen = values.kinds?.split(',').map((name) => {
    const known = kinds.find((one) => one === name);
    if (known === undefined) throw new UsageError(`--kinds: there is no ${JSON.stringify(name)}`);
    return known;
  });
  return {
    version,
    url: values.url ?? process.env['AMQP_URL'],
    count: integer('sequences', values.sequences),
    seed: integer('seed', values.seed ?? String(Date.now() % 1_000_000)),
    only: values.only === undefined ? undefined : integer('only', values.only),
    kinds: chosen,
    parallel: Math.max(1, integer('parallel', values.parallel)),
    most: integer('most', values.most),
    shrinks: !values['no-shrink'],
    help: values.help,
  };
}

const runId = Math.random().toString(36).slice(2, 7);
let serial = 0;
/** Each run has names of its own, all of one length: long reply texts are cut off at the same place. */
const newPrefix = (): string => `diff.${runId}.${String(++serial).padStart(6, '0')}.`;

/** Both transcripts where they differ in every run; undefined where they agree in one. */
async function compare(
  steps: readonly Step[],
  version: EmulatedVersion,
  url: string,
): Promise<{ expected: Transcript; actual: Transcript } | undefined> {
  const broker = await EmbeddedBroker.start({ emulate: version });
  let expected: Transcript;
  try {
    const open = broker.memory();
    const endpoint = { host: 'memory', port: 0, tls: false };
    expected = await runSequence(steps, {
      prefix: newPrefix(),
      connect: async () => open(endpoint, new AbortController().signal),
    });
  } finally {
    await broker.stop();
  }
  const { hostname, port } = new URL(url);
  const connect = (): Promise<Transport> =>
    connectTcp({ host: hostname, port: Number(port) || 5672, tls: false }, new AbortController().signal);
  let actual: Transcript = [];
  // A difference that is not there every time is one in time, which RabbitMQ leaves open. The last runs are slow.
  for (const pause of [0, 0, 10, 25]) {
    const isLast = pause === 25;
    actual = await runSequence(steps, {
      prefix: newPrefix(),
      connect,
      guide: expected,
      pause,
      patience: 300 + pause * 20,
      isWhole: isLast,
    });
    if (firstDifference(expected, actual) < 0) return undefined;
  }
  return { expected, actual };
}

const repeatCount = 20;

/** Tells a difference from one that RabbitMQ leaves to chance: how it answers the same again and again. */
async function repeat(steps: readonly Step[], expected: Transcript, url: string): Promise<Repeats> {
  const { hostname, port } = new URL(url);
  const variants = new Set<string>();
  let agreeing = 0;
  for (let index = 0; index < repeatCount; index++) {
    const actual = await runSequence(steps, {
      prefix: newPrefix(),
      connect: () =>
        connectTcp({ host: hostname, port: Number(port) || 5672, tls: false }, new AbortController().signal),
      guide: expected,
      pause: 10,
      patience: 300,
      isWhole: true,
    });
    variants.add(transcriptLines(actual).join('\n'));
    if (firstDifference(expected, actual) < 0) agreeing++;
  }
  return { count: repeatCount, variants: variants.size, agreeing };
}

function kindOf(index: number, chosen: readonly Kind[] | undefined): Kind {
  if (chosen) return chosen[index % chosen.length] ?? 'plain';
  if (index % 40 === 39) return 'timed';
  return index % 10 === 9 ? 'quorum' : 'plain';
}

async function tryOne(
  seed: number,
  kind: Kind,
  { version, url, shrinks }: { version: EmulatedVersion; url: string; shrinks: boolean },
): Promise<{ readonly operations: number; readonly found: Difference | undefined }> {
  const arbitrary = fc.noBias(sequences({ hasQuorumQueues: kind === 'quorum', hasShortLives: kind === 'timed' }));
  const [steps = []] = fc.sample(arbitrary, { seed, numRuns: 1 });
  const difference = async (tried: readonly Step[]): Promise<Difference | undefined> => {
    const differing = await compare(tried, version, url);
    return differing && { seed, kind, steps: tried, ...differing };
  };
  let found = await difference(steps);
  if (found) {
    const repeats = await repeat(steps, found.expected, url);
    if (shrinks && repeats.agreeing === 0) found = await shrink(steps, found, { difference, limit: 60_000 });
    found = { ...found, repeats };
  }
  return { operations: steps.length, found };
}

function describeDifference({ steps, expected, actual, repeats }: Difference): string {
  const index = firstDifference(expected, actual);
  const lines = steps.map((step, number) => `    ${String(number).padStart(2)} ${JSON.stringify(step)}`);
  const context = transcriptLines(actual.slice(0, index)).map((line) => `    ${line}`);
  return [
    ...(repeats
      ? [
          `  RabbitMQ alone, ${repeats.count} times: ${repeats.variants} different transcripts, ` +
            `${repeats.agreeing} as the embedded broker's`,
        ]
      : []),
    '  steps',
    ...lines,
    '  transcript',
    ...context,
    `  step ${index} (${expected[index]?.label ?? 'end'})`,
    ...streamLines(expected[index]?.streams ?? {}).map((line) => `    embedded ${line}`),
    ...streamLines(actual[index]?.streams ?? {}).map((line) => `    rabbitmq ${line}`),
  ].join('\n');
}

async function main(): Promise<number> {
  const chosen = options();
  if (chosen.help) {
    console.log(usage);
    return 0;
  }
  const node = chosen.url === undefined && chosen.version === '3.10' ? startRabbitmqNode() : undefined;
  try {
    const url = node ? (await node.ready).url : chosen.url;
    if (url === undefined) throw new UsageError('--url or AMQP_URL says where a RabbitMQ 4.3 is');
    const { hostname, port } = new URL(url);
    const actual = await askVersion(hostname, Number(port) || 5672);
    if (!actual.startsWith(`${chosen.version}.`)) throw new UsageError(`at ${url} is ${actual}, not ${chosen.version}`);
    return await runAll({ ...chosen, url }, actual);
  } finally {
    await node?.stop();
  }
}

async function runAll(chosen: ReturnType<typeof options> & { url: string }, actual: string): Promise<number> {
  const { seed, count, only, most } = chosen;
  console.log(`RabbitMQ ${actual} and the embedded broker as ${chosen.version}: seed ${seed}, ${count} sequences`);
  const started = performance.now();
  const differences: Difference[] = [];
  const byChance: Difference[] = [];
  let next = 0;
  let done = 0;
  let operations = 0;
  const work = async (): Promise<void> => {
    while (next < count && differences.length < most) {
      const index = next++;
      if (only !== undefined && index !== only) continue;
      const tried = await tryOne(seed * 1_000_003 + index, kindOf(index, chosen.kinds), chosen);
      done++;
      operations += tried.operations;
      const { found } = tried;
      if (!found) continue;
      const isByChance = (found.repeats?.agreeing ?? 0) > 0;
      const list = isByChance ? byChance : differences;
      list.push(found);
      console.log(
        `\n${isByChance ? 'left to chance by RabbitMQ' : 'difference'} ${list.length}: --seed ${seed} --only ${index}, ${found.kind}`,
      );
      console.log(describeDifference(found));
    }
  };
  await Promise.all(Array.from({ length: only === undefined ? chosen.parallel : 1 }, work));
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `\n${done} sequences of ${operations} steps, ${differences.length} differences, ${byChance.length} left to chance by ` +
      `RabbitMQ, ${seconds.toFixed(1)} s, ${(done / seconds).toFixed(1)} a second`,
  );
  return differences.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}
