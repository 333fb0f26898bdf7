/**
 * A run: a crowd at work on a node of its own, one fault after the other for so many minutes, then everything drained,
 * closed and counted. Writes a history; must not judge it.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { startControlledNode, type ControlledNode } from '../support/controlled-node.js';
import { pause, until } from '../support/waiting.js';
import { Crowd, maxDelay } from './crowd.js';
import { makeFault } from './faults.js';
import { HistoryWriter } from './history.js';
import { schedule, type FaultName } from './schedule.js';

export interface SoakOptions {
  readonly seed: number;
  readonly minutes: number;
  /** Of RabbitMQ. */
  readonly version: string;
  /** Where the history goes. */
  readonly path: string;
  /** Default: all of them. */
  readonly faults?: readonly FaultName[] | undefined;
  /** Told what happens, for people. */
  readonly say: (line: string) => void;
}

/** Bytes of the heap after a collection, when all was up and before it was closed. */
export interface Memory {
  readonly begin: number;
  readonly end: number;
}

/** Back-off cap and ten seconds. */
const revivalLimit = maxDelay + 10_000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heapAfterCollection(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

export async function soak(options: SoakOptions): Promise<Memory> {
  const { seed, minutes, version, path, say } = options;
  const history = new HistoryWriter(path);
  history.write('run', { what: 'run', seed, version, minutes });
  const problem = (detail: string): void => {
    say(`PROBLEM: ${detail}`);
    history.write('run', { what: 'problem', detail });
  };
  const note = (error: unknown): void => {
    problem(error instanceof Error ? (error.stack ?? error.message) : String(error));
  };
  process.on('unhandledRejection', note).on('uncaughtException', note);
  const node = await startControlledNode(version);
  try {
    const before = resources();
    const crowd = await Crowd.start(node.url, history, seed);
    const memory = await work(node, crowd, history, options);
    say('draining');
    await crowd.drain();
    const left = await untilEmpty(node);
    history.write('run', { what: 'left', kind: 'messages', items: left });
    await crowd.close();
    let handles: string[] = [];
    const areGone = (): boolean => (handles = moreThan(before)).length === 0;
    await until('handles are gone', areGone, 2_000).catch(() => undefined);
    history.write('run', { what: 'left', kind: 'handles', items: handles });
    history.write('run', { what: 'left', kind: 'connections', items: await connectionsOf(node) });
    return memory;
  } catch (error) {
    note(error);
    throw error;
  } finally {
    await node.dispose();
    await history.end();
    process.off('unhandledRejection', note).off('uncaughtException', note);
  }
}

async function work(
  node: ControlledNode,
  crowd: Crowd,
  history: HistoryWriter,
  { seed, minutes, faults, say }: SoakOptions,
): Promise<Memory> {
  await crowd.untilAlive(crowd.losses(), {}, revivalLimit);
  await pause(2_000);
  const begin = heapAfterCollection();
  const deadline = performance.now() + minutes * 60_000;
  for (const scheduled of schedule(seed, faults)) {
    await pause(scheduled.pause);
    if (performance.now() > deadline) break;
    const losses = crowd.losses();
    const { detail, outages, run } = makeFault(node, crowd, scheduled);
    say(`${scheduled.name}: ${detail}`);
    const line = { what: 'fault', fault: scheduled.name, detail, outages } as const;
    history.write('fault', { ...line, outcome: 'invoked' });
    try {
      await run();
      history.write('fault', { ...line, outcome: 'ok' });
    } catch (error) {
      history.write('fault', { ...line, outcome: 'failed', detail: String(error) });
      throw error;
    }
    const healed = performance.now();
    const least = Object.fromEntries(Object.entries(outages).map(([name, [count]]) => [name, count]));
    try {
      await crowd.untilAlive(losses, least, revivalLimit);
      const milliseconds = Math.round(performance.now() - healed);
      history.write('run', { what: 'alive', outcome: 'ok', milliseconds });
      say(`  alive after ${String(milliseconds)} ms`);
    } catch (error) {
      const milliseconds = Math.round(performance.now() - healed);
      const text = error instanceof Error ? error.message : String(error);
      history.write('run', { what: 'alive', outcome: 'failed', milliseconds, detail: text });
      say(`  NOT ALIVE: ${text}`);
      // What comes after it would tell of this one only.
      break;
    }
  }
  return { begin, end: heapAfterCollection() };
}

/** Messages that stay in queues, as `queue: count`. */
async function untilEmpty(node: ControlledNode): Promise<string[]> {
  let left: string[] = [];
  await until(
    'the queues are empty',
    async () => {
      const list = await node.control('list_queues', '--no-table-headers', 'name', 'messages');
      left = list.split('\n').filter((line) => line.includes('\t') && !line.endsWith('\t0'));
      return left.length === 0;
    },
    30_000,
  ).catch(() => undefined);
  return left;
}

async function connectionsOf(node: ControlledNode): Promise<string[]> {
  const list = await node.control('list_connections', '--no-table-headers', 'name');
  return list.split('\n').filter((line) => line.trim() !== '');
}

/** Sockets, servers and timers: what a connection could leave. Processes and files are the run's own. */
function resources(): Map<string, number> {
  const counts = new Map<string, number>();
  const ours = process.getActiveResourcesInfo().filter((kind) => /^(TCP|TLS|Timeout)/.test(kind));
  for (const kind of ours) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

function moreThan(before: ReadonlyMap<string, number>): string[] {
  return [...resources()]
    .filter(([kind, count]) => count > (before.get(kind) ?? 0))
    .map(([kind, count]) => `${kind}: ${String(count)}, were ${String(before.get(kind) ?? 0)}`);
}
