// From the rounds of all clients to the figures that are printed. Pure, apart from the table library.
import Table from 'cli-table3';
import { ours } from './clients/index.mjs';

/** The median is reported because one disturbed round moves it least; the range says how disturbed they were. */
function summary(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1), rounds: values };
}

/**
 * @param {{ suite: string, mode: string, client: string, version: string, comparedWith?: string,
 *   rounds: { messagesPerSecond: number, cpuMicrosecondsPerMessage: number }[] }[]} measured
 * @returns the same with medians and ranges, and `oursToThis`: the median of the client of ours that it is compared with,
 *   divided by this client's
 */
export function summarise(measured) {
  const results = measured.map(({ rounds, ...which }) => ({
    ...which,
    messagesPerSecond: summary(rounds.map((round) => round.messagesPerSecond)),
    cpuMicrosecondsPerMessage: summary(rounds.map((round) => round.cpuMicrosecondsPerMessage)),
  }));
  return results.map((result) => {
    const our = results.find(
      ({ suite, mode, client }) => suite === result.suite && mode === result.mode && client === result.comparedWith,
    );
    if (our === undefined) return result;
    const ratio = (figure) => our[figure].median / result[figure].median;
    return {
      ...result,
      oursToThis: {
        messagesPerSecond: ratio('messagesPerSecond'),
        cpuMicrosecondsPerMessage: ratio('cpuMicrosecondsPerMessage'),
      },
    };
  });
}

/** One table for one mode. */
export function table(title, results) {
  const grid = new Table({
    head: ['client', 'messages/s', 'min–max', 'CPU µs/message', 'min–max', `${ours}: messages/s`, `${ours}: CPU`],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { client, version, messagesPerSecond: rate, cpuMicrosecondsPerMessage: cpu, oursToThis } of results) {
    grid.push([
      `${client} ${version}`,
      whole(rate.median),
      `${whole(rate.min)}–${whole(rate.max)}`,
      cpu.median.toFixed(2),
      `${cpu.min.toFixed(2)}–${cpu.max.toFixed(2)}`,
      times(oursToThis?.messagesPerSecond),
      times(oursToThis?.cpuMicrosecondsPerMessage),
    ]);
  }
  return `${title}\n${grid.toString()}`;
}

export const whole = (number) => Math.round(number).toLocaleString('en-US');

const times = (ratio) => (ratio === undefined ? '' : `× ${ratio.toFixed(2)}`);
