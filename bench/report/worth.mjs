// What the figures of `worth` say. Pure, apart from the table.
import { short, whole } from '../figures.mjs';
import { times } from './scenarios.mjs';
import { textTable } from './tables.mjs';

/** Rates above × 1 and CPU below × 1: that is what it is worth. */
export function worthTable({ results }) {
  const cell = ({ messagesPerSecond, cpuMicrosecondsPerMessage }) =>
    `${whole(messagesPerSecond.median)} @ ${short(cpuMicrosecondsPerMessage.median)}`;
  const quotient = (result, figure) => times(result.with[figure].median / result.without[figure].median);
  return {
    head: ['what', 'scenario', 'with it', 'without', 'rate', 'CPU'],
    rows: results.map((result) => [
      result.name,
      result.scenario,
      cell(result.with),
      cell(result.without),
      quotient(result, 'messagesPerSecond'),
      quotient(result, 'cpuMicrosecondsPerMessage'),
    ]),
  };
}

export function formatWorth(part) {
  const { head, rows } = worthTable(part);
  return textTable(head, rows);
}
