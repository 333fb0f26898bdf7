/** Outages and what came back from them, in words for people. */
import type { RestoredCounts } from '../../amqp/index.js';
import type { ConnectionStatus } from './recovery-events.js';
import type { Outage, RefusedEntity } from './outage-log.js';

/** Names in one line of the log: a rebuild may meet thousands. */
const nameLimit = 20;

/** For instance `3 channels, 1 queue`: what there is none of is left out. */
export function countsInWords(counts: RestoredCounts): string {
  const words = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]: [string, number]) => inWords(count, name.slice(0, -1)));
  return words.length === 0 ? 'nothing' : words.join(', ');
}

/** For instance `1 attempt`, `2 attempts`. */
export function inWords(count: number, singular: string): string {
  return `${String(count)} ${singular}${count === 1 ? '' : 's'}`;
}

/** The first of a list, and how many more there are. */
export function firstOf(names: readonly string[]): string {
  const more = names.length - nameLimit;
  return names.slice(0, nameLimit).join(', ') + (more > 0 ? `, and ${String(more)} more` : '');
}

/** Several lines: how each connection stands, and below it its outages, the oldest first. */
export function recoveriesInWords(statuses: readonly ConnectionStatus[], outages: readonly Outage[]): string {
  const lines = statuses.flatMap((status) => {
    const own = outages.filter(({ connection }) => connection === status.name);
    return [statusInWords(status, own.length), ...own.flatMap((outage) => outageInWords(outage))];
  });
  // What a broker says may hold line breaks.
  return lines.map((line) => line.replaceAll(/[\r\n]+/g, ' ')).join('\n');
}

function statusInWords({ name, state, epoch, blockedReason }: ConnectionStatus, outages: number): string {
  const life = epoch > 0 ? ` in life ${String(epoch)}` : '';
  const blocked = blockedReason === undefined ? '' : `, blocked by the broker: ${blockedReason}`;
  return `connection "${name}": ${state}${life}${blocked}; ${outages === 0 ? 'no outage' : 'last outages:'}`;
}

function outageInWords(outage: Outage): string[] {
  const { lostAt, cause, broken, brokenCount, renamedQueues, renamedCount } = outage;
  const more = (all: number, told: number): string[] => (all > told ? [`    and ${String(all - told)} more`] : []);
  return [
    `  ${lostAt.toISOString()} lost: ${cause}; ${endInWords(outage)}`,
    ...broken.map((refused) => `    ${refusedInWords(refused)}`),
    ...more(brokenCount, broken.length),
    ...renamedQueues.map(({ from, to }) => `    queue "${from}" is "${to}" now`),
    ...more(renamedCount, renamedQueues.length),
  ];
}

function endInWords({ outcome, attempts, lastFailure, duration, restored }: Outage): string {
  const time = `${String(duration)} ms`;
  const tried = inWords(attempts, 'attempt');
  const failure = lastFailure === undefined ? '' : ` (${lastFailure})`;
  switch (outcome) {
    case 'ongoing':
      return `not back after ${time}, ${tried}${failure}`;
    case 'failed':
      return `given up after ${time}, ${tried}${failure}`;
    case 'closed':
      return `closed after ${time}, ${tried}${failure}, before it was back`;
    case 'recovered':
      return `back after ${time}, ${tried}${failure}, with ${restored ? countsInWords(restored) : 'nothing'}`;
  }
}

function refusedInWords({ kind, name, reason, healedAt }: RefusedEntity): string {
  const healed = healedAt ? `; works since ${healedAt.toISOString()}` : '';
  return `${kind} "${name}" did not come back: ${reason}${healed}`;
}
