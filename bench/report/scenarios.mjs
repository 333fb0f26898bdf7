// The figures of the scenarios beside each other: leveret by the best peer and by the floor. Pure, apart from the table.
import { ours } from '../clients/index.mjs';
import { short, whole } from '../figures.mjs';
import { textTable } from './tables.mjs';

/** The results of one scenario on one broker in one suite, in the order in which they were measured. */
export function groups({ results }) {
  const found = new Map();
  for (const result of results) {
    const key = JSON.stringify([result.broker, result.suite, result.scenario]);
    const { broker, suite, scenario, title } = result;
    if (!found.has(key)) found.set(key, { broker, suite, scenario, title, results: [] });
    found.get(key).results.push(result);
  }
  return [...found.values()];
}

/**
 * Of a group: ours, the floor, and the best peers, by rate, by CPU and by p50, where there are any. In Nest both of ours
 * are compared with all; `which` says with which of the two.
 */
export function compare({ results }, which = ours) {
  const peers = results.filter(({ role }) => role === 'peer');
  const best = (figure, better) =>
    peers
      .filter((peer) => peer[figure] !== undefined)
      .reduce((a, b) => (a === undefined || better(b[figure].median, a[figure].median) ? b : a), undefined);
  const less = (a, b) => a < b;
  return {
    our: results.find(({ client }) => client === which),
    floor: results.find(({ role }) => role === 'floor'),
    fastest: best('messagesPerSecond', (a, b) => a > b),
    cheapest: best('cpuMicrosecondsPerMessage', less),
    soonest: best('p50', less),
  };
}

/** Ours divided by another's; undefined where one of them is not there. */
export function ratio(our, other, figure) {
  if (our?.[figure] === undefined || other?.[figure] === undefined) return undefined;
  return our[figure].median / other[figure].median;
}

export const times = (value) => (value === undefined ? '' : `× ${value.toFixed(2)}`);

const range = ({ min, max }, format) => `${format(min)}–${format(max)}`;

/** Rows of one group: everyone's medians and spread, and what ours is of it. */
export function rowsOf({ results }) {
  const our = results.find(({ client }) => client === ours);
  const hasLatency = results.some(({ p50 }) => p50 !== undefined);
  const head = [
    'client',
    'messages/s',
    'min–max',
    'CPU µs/message',
    'min–max',
    ...(hasLatency ? ['p50 ms', 'p99 ms'] : []),
    `${ours}: messages/s`,
    `${ours}: CPU`,
  ];
  const rows = results.map((result) => {
    const { client, version, role, messagesPerSecond: rate, cpuMicrosecondsPerMessage: cpu, p50, p99 } = result;
    const other = our === undefined || result === our;
    return [
      role === 'floor' ? client : `${client} ${version}`,
      whole(rate.median),
      range(rate, whole),
      short(cpu.median),
      range(cpu, short),
      ...(hasLatency ? [p50, p99].map((one) => (one === undefined ? '' : short(one.median))) : []),
      other ? '' : times(ratio(our, result, 'messagesPerSecond')),
      other ? '' : times(ratio(our, result, 'cpuMicrosecondsPerMessage')),
    ];
  });
  return { head, rows };
}

/** For a terminal. */
export function formatScenarios(part) {
  const { node, cores, cpu, load, rounds, size } = part;
  const parts = groups(part).map((group) => {
    const { head, rows } = rowsOf(group);
    return `${group.broker}, ${group.suite}, ${group.title}\n${textTable(head, rows)}`;
  });
  return [
    `Node ${node}, ${cores} × ${cpu}, load ${load} before; median of ${rounds} rounds, bodies of ${whole(size)} bytes`,
    ...parts,
  ].join('\n\n');
}
