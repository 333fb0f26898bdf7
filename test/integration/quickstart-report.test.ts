/** What the quick start says of a run that went wrong: every problem makes its exit status 1. */
import { execFile } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { readLines, readPlainly } from '../../sample/quickstart/orders-file.js';
import { reportOn, type Run } from '../../sample/quickstart/report.js';

const file = { lines: 1_000, orders: 990, malformed: 10, revenue: 123_456 };
const totals = { handled: 990, deadLettered: 10, revenue: 123_456, repeats: 7 };
const good: Run = { published: 1_000, confirmed: 1_000, replayedUnknowns: 250, totals, cuts: 2, recoveries: 2 };

describe('the report of the quick start', () => {
  test('a run in which all is well has no problems', () => {
    expect(reportOn(good, file)).toEqual({
      problems: [],
      costs: 'repeats 7, replayed unknowns 250',
      summary: 'published 1000, confirmed 1000, handled 990, dead-lettered 10, lost 0, recoveries 2',
    });
  });

  test.each<[string, Partial<Run>, string]>([
    ['a lost order', { totals: { ...totals, handled: 989 } }, 'orders lost: 1, and must be 0'],
    ['a lost malformed line', { totals: { ...totals, deadLettered: 9 } }, 'malformed lines dead-lettered: 9'],
    ['an order taken for malformed', { totals: { ...totals, handled: 989, deadLettered: 11 } }, 'orders handled: 989'],
    ['an order with other items', { totals: { ...totals, revenue: 123_455 } }, 'cents of revenue: 123455'],
    ['a line never published', { published: 999 }, 'lines published: 999'],
    ['a line never confirmed', { confirmed: 999 }, 'lines confirmed: 999'],
    ['a cut that did not happen', { cuts: 1, recoveries: 1 }, 'cuts: 1, and must be 2'],
    ['a connection that stayed away', { recoveries: 1 }, 'recoveries: 1, and must be 2'],
  ])('%s is a problem', (_what, change, problem) => {
    const { problems } = reportOn({ ...good, ...change }, file);
    expect(problems.join('\n')).toContain(problem);
  });

  test('a lost order shows in the last line', () => {
    const { summary } = reportOn({ ...good, totals: { ...totals, handled: 989 } }, file);
    expect(summary).toContain('handled 989, dead-lettered 10, lost 1, recoveries 2');
  });
});

describe('the orders of the quick start', () => {
  test('are what scripts/make-orders.mjs makes', async () => {
    const status = await new Promise((resolve) => {
      execFile(process.execPath, ['scripts/make-orders.mjs', '--check'], (error) => resolve(error ? error.code : 0));
    });
    expect(status).toBe(0);
  });

  test('are read line by line, each with an id of its own', async () => {
    const lines = await readLines(new URL('../../sample/quickstart/orders.jsonl', import.meta.url));
    expect(new Set(lines.map(({ messageId }) => messageId)).size).toBe(lines.length);
    expect(readPlainly(lines)).toMatchObject({ lines: 2_000, orders: 1_976, malformed: 24 });
  });

  test.each([
    '{"id":"order-000001","customer":"ada","placedAt":"2026-10-01T08:00:00Z","items":[]}',
    '{"id":"order-000001","customer":"ada","placedAt":"2026-10-01T08:00:00Z"}',
    '{"id":7,"customer":"ada","placedAt":"2026-10-01T08:00:00Z","items":[{"sku":"hay","quantity":1,"unitPrice":1}]}',
    '{"id":',
    '[]',
    'null',
    '',
  ])('%s is malformed', (text) => {
    expect(readPlainly([{ messageId: 'line-1', text }])).toMatchObject({ orders: 0, malformed: 1 });
  });
});
