// What a file of results gives docs/performance.md: for each name between markers its Markdown and its charts.
import { ours } from '../clients/index.mjs';
import { short, whole } from '../figures.mjs';
import { bars, lines } from './charts.mjs';
import { growthTable, verdicts } from './growth.mjs';
import { latencyTables, percentiles } from './latency.mjs';
import { heapGrowth, memoryTable, memoryVerdicts } from './memory.mjs';
import { compare, groups, ratio, rowsOf, times } from './scenarios.mjs';
import { markdownTable } from './tables.mjs';
import { targetOf } from './targets.mjs';
import { worthTable } from './worth.mjs';

const unique = (list) => [...new Set(list)];
const at = ({ date, node, cpu, cores, load }) =>
  `${date.slice(0, 10)}, Node ${node.slice(1)}, ${cores} × ${cpu}, load ${load} before.`;
const picture = (file, text) => `![${text}](images/${file})`;

/** @returns {{ name: string, markdown: string, charts: { file: string, svg: string }[] }[]} of the parts that are there */
export function sectionsOf(results) {
  return [
    ...(results.scenarios ? [summarySection(results.scenarios), scenarioSection(results.scenarios)] : []),
    ...(results.latency ? [latencySection(results.latency)] : []),
    ...(results.growth ? [growthSection(results.growth)] : []),
    ...(results.worth ? [worthSection(results.worth)] : []),
    ...(results.memory ? [memorySection(results.memory)] : []),
  ];
}

/** One line for each scenario: the floor, the best peer by each figure, ours, and the ratios. */
function summarySection(part) {
  const cell = (result) => {
    if (result === undefined) return '';
    const { messagesPerSecond: rate, cpuMicrosecondsPerMessage: cpu, p50 } = result;
    return `${whole(rate.median)} @ ${short(cpu.median)}${p50 === undefined ? '' : `, p50 ${short(p50.median)} ms`}`;
  };
  const head = [
    '',
    'floor',
    'fastest peer',
    'least CPU of a peer',
    'leveret',
    'rate',
    'CPU',
    'p50',
    'CPU of the floor’s',
    'wanted',
  ];
  const tables = unique(part.results.map(({ broker }) => broker)).map((broker) => {
    const rows = groups(part)
      .filter((group) => group.broker === broker)
      .map((group) => {
        const { our, floor, fastest, cheapest, soonest } = compare(group);
        const named = (peer) => (peer === undefined ? '' : `${cell(peer)} (${peer.client})`);
        return [
          group.suite === 'clients' ? group.scenario : `${group.scenario}, ${group.suite}`,
          cell(floor),
          named(fastest),
          named(cheapest),
          cell(our),
          times(ratio(our, fastest, 'messagesPerSecond')),
          times(ratio(our, cheapest, 'cpuMicrosecondsPerMessage')),
          times(ratio(our, soonest, 'p50')),
          times(ratio(our, floor, 'cpuMicrosecondsPerMessage')),
          targetOf(group),
        ];
      });
    return `${broker}:\n\n${markdownTable(head, rows)}`;
  });
  const about = `${at(part)} Medians of ${part.rounds} rounds: messages a second @ CPU microseconds a message.`;
  return { name: 'summary', markdown: [about, ...tables].join('\n\n'), charts: [] };
}

function scenarioSection(part) {
  const all = groups(part);
  const charts = [];
  const parts = unique(all.map(({ broker }) => broker)).flatMap((broker, index) => {
    const ofBroker = all.filter((group) => group.broker === broker);
    const found = [`### ${broker}`];
    for (const suite of unique(ofBroker.map((group) => group.suite))) {
      const chosen = ofBroker.filter((group) => group.suite === suite);
      const figures = { cpu: 'cpuMicrosecondsPerMessage', rate: 'messagesPerSecond' };
      for (const [kind, figure] of Object.entries(figures)) {
        const unit = kind === 'cpu' ? 'CPU microseconds a message' : 'messages a second';
        const title = `${suite}, ${broker}: ${unit}`;
        const file = `performance-${suite}-${index + 1}-${kind}.svg`;
        charts.push({ file, svg: bars({ title, unit, ...barsOf(chosen, figure) }) });
        found.push(picture(file, title));
      }
      for (const group of chosen) {
        const { head, rows } = rowsOf(group);
        found.push(`${group.title} (${suite}):`, markdownTable(head, rows));
      }
    }
    return found;
  });
  return { name: 'scenarios', markdown: parts.join('\n\n'), charts };
}

function barsOf(chosen, figure) {
  const clients = unique(chosen.flatMap(({ results }) => results.map(({ client }) => client)));
  return {
    categories: chosen.map(({ scenario }) => scenario),
    series: clients.map((client) => ({
      name: client,
      values: chosen.map(({ results }) => results.find((result) => result.client === client)?.[figure].median),
    })),
  };
}

function latencySection(part) {
  const charts = [];
  const parts = latencyTables(part).flatMap(({ rate, head, rows }) => {
    const title = `Publish to delivery at ${whole(rate)} messages a second`;
    const file = `performance-latency-${rate}.svg`;
    const results = part.results.filter((result) => result.rate === rate);
    const series = results.map((result) => ({
      name: result.client,
      points: percentiles.slice(0, -1).map((name) => [name, result[name].median]),
    }));
    charts.push({ file, svg: lines({ title, x: 'percentile', y: 'milliseconds', series, scale: 'names' }) });
    return [picture(file, title), `${whole(rate)} messages a second:`, markdownTable(head, rows)];
  });
  const about = `${at(part)} ${part.broker}, medians of ${part.rounds} rounds of ${part.seconds} s.`;
  return { name: 'latency', markdown: [about, ...parts].join('\n\n'), charts };
}

function growthSection(part) {
  const charts = [];
  const parts = part.series.flatMap((one) => {
    const file = `performance-growth-${one.name}.svg`;
    const series = Object.entries(one.figures).map(([figure, { label }]) => ({
      name: label,
      points: one.points.map((point) => [point.x, point[figure].median]),
    }));
    charts.push({ file, svg: lines({ title: one.title, x: one.unit, y: 'CPU µs', series }) });
    const { head, rows } = growthTable(one);
    const steps = verdicts(one).map(({ text }) => `- ${text}`);
    return [`### ${one.title}`, picture(file, one.title), markdownTable(head, rows), steps.join('\n')];
  });
  const about = `${at(part)} ${part.broker}, medians of ${part.rounds} rounds, ${ours} alone.`;
  return { name: 'growth', markdown: [about, ...parts].join('\n\n'), charts };
}

function worthSection(part) {
  const { head, rows } = worthTable(part);
  const about = `${at(part)} ${part.broker}, medians of ${part.rounds} rounds: messages a second @ CPU microseconds a message.`;
  return { name: 'worth', markdown: `${about}\n\n${markdownTable(head, rows)}`, charts: [] };
}

function memorySection(part) {
  const { head, rows } = memoryTable(part);
  const verdictLines = memoryVerdicts(part).map(({ text }) => `- ${text}`);
  const parts = [at(part), ...(rows.length > 0 ? [markdownTable(head, rows)] : []), verdictLines.join('\n')];
  const charts = [];
  if (part.results.heap !== undefined) {
    const { samples } = part.results.heap;
    const title = `Heap and buffers over ${whole(samples.at(-1).messages)} messages`;
    const points = samples.map(({ messages, bytes }) => [messages, bytes]);
    const file = 'performance-heap.svg';
    const series = [{ name: ours, points }];
    charts.push({ file, svg: lines({ title, x: 'messages', y: 'bytes', series, scale: 'linear' }) });
    parts.push(picture(file, `${title}: ${whole(heapGrowth(part.results.heap))} bytes more in their second half`));
  }
  return { name: 'memory', markdown: parts.join('\n\n'), charts };
}
