/** The parameter `ioThread`: what it may be, and what cannot go along into another thread. Must not know threads. */
import type { ResourceLimits } from 'node:worker_threads';
import type { SocketOpener } from '../transport/index.js';

/** The thread of `ioThread`. */
export interface IoThreadParameters {
  /** Limits of the thread's memory, as Node's Worker takes them. Messages' bytes are outside of them. */
  resourceLimits?: ResourceLimits | undefined;
  /** Node options of the thread, as Node's Worker takes them. Default: those of the process. */
  execArgv?: readonly string[] | undefined;
}

/** Makes the opener of sockets that live in another thread. */
export type IoThreadOpener = (parameters: IoThreadParameters) => SocketOpener;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What is wrong with the value of `ioThread`; undefined when nothing is. */
export function ioThreadFault(value: unknown): string | undefined {
  if (typeof value === 'boolean') return undefined;
  if (!isRecord(value)) return 'must be true, false or { resourceLimits, execArgv }';
  const { resourceLimits, execArgv, ...others } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return `${unknown}: unknown parameter`;
  if (resourceLimits !== undefined && !isRecord(resourceLimits)) return 'resourceLimits: must be an object';
  if (execArgv !== undefined && !(Array.isArray(execArgv) && execArgv.every((one) => typeof one === 'string'))) {
    return 'execArgv: must be a list of strings';
  }
  return undefined;
}

/** What the parameters ask for; undefined: the socket lives in this thread. */
export function ioThreadOf(given: unknown): IoThreadParameters | undefined {
  if (given === true) return {};
  return isRecord(given) ? given : undefined;
}

/** Names every option that another thread cannot be given: functions, and what Node keeps outside of JavaScript. */
export function uncloneableOptions(options: Readonly<Record<string, unknown>>, prefix: string): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    try {
      structuredClone(value);
      return [];
    } catch {
      return [`${prefix}.${name}: cannot be given to another thread (ioThread)`];
    }
  });
}
