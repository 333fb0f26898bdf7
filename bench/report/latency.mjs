// The percentiles of each client at each rate. Pure, apart from the table.
import { short, whole } from '../figures.mjs';
import { textTable } from './tables.mjs';

export const percentiles = ['p50', 'p90', 'p99', 'p99.9', 'max'];

/** Of each rate: its head and rows, in milliseconds. */
export function latencyTables({ results }) {
  return [...new Set(results.map(({ rate }) => rate))].map((rate) => ({
    rate,
    head: ['client', ...percentiles.map((name) => `${name} ms`), 'p99, min–max', 'CPU µs/message'],
    rows: results
      .filter((result) => result.rate === rate)
      .map(({ client, cpuMicrosecondsPerMessage: cpu, ...figures }) => [
        client,
        ...percentiles.map((name) => short(figures[name].median)),
        `${short(figures.p99.min)}–${short(figures.p99.max)}`,
        short(cpu.median),
      ]),
  }));
}

/** For a terminal. */
export function formatLatency(part) {
  const { broker, load, rounds, seconds, size } = part;
  return [
    `${broker}, load ${load} before; medians of ${rounds} rounds of ${seconds} s, bodies of ${whole(size)} bytes`,
    ...latencyTables(part).map(({ rate, head, rows }) => `${whole(rate)} messages/s\n${textTable(head, rows)}`),
  ].join('\n\n');
}
