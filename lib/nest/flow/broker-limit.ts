/** For how long the broker lets a delivery be unsettled (its consumer_timeout), as far as it is known here. Pure. */
import type { FieldTable } from '../../amqp/index.js';
import { isWhole, type Check } from '../option-checks.js';

/** RabbitMQ's own. */
const defaultConsumerTimeout = 1_800_000;

/** Below this the broker, which looks once a minute, could not tell. */
const shortestLimit = 1_000;

export const isConsumerTimeout: Check = (value) =>
  value === false ? undefined : isWhole(shortestLimit, 0x7fff_ffff)(value) && `${wrong}, or false`;

const wrong = `must be milliseconds from ${String(shortestLimit)} to ${String(0x7fff_ffff)}`;

/** What is known of a queue. */
export interface LimitedQueue {
  /** As it is declared; undefined: by somebody else. */
  readonly arguments: FieldTable | undefined;
  /** The option `consumerTimeout`. */
  readonly given: number | false | undefined;
}

/** Milliseconds; Infinity: without limit. `version`: the broker's, where it says one. */
export function brokerLimit({ arguments: table, given }: LimitedQueue, version?: unknown): number {
  if (table && isClassic(table) && hasNoneForClassic(version)) return Infinity;
  const own = table?.['x-consumer-timeout'];
  if (typeof own === 'number' && own >= shortestLimit) return own;
  return given === false ? Infinity : (given ?? defaultConsumerTimeout);
}

function isClassic(table: FieldTable): boolean {
  return (table['x-queue-type'] ?? 'classic') === 'classic';
}

/** RabbitMQ from 4.3 on. */
function hasNoneForClassic(version: unknown): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(typeof version === 'string' ? version : '') ?? [];
  return Number(major) > 4 || (Number(major) === 4 && Number(minor) >= 3);
}
