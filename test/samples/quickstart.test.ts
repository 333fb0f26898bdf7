/** The quick start as `npm start` runs it: compiled by the Nest CLI, in a process of its own. */
import { beforeAll, expect, test } from '@jest/globals';
import { readLines, readPlainly } from '../../sample/quickstart/orders-file.js';
import { describeOnBroker } from '../support/brokers.js';
import { buildSample, runSample } from '../support/nest-samples.js';

const file = new URL('../../sample/quickstart/orders.jsonl', import.meta.url);

describeOnBroker('the quick start', (broker) => {
  beforeAll(() => buildSample('quickstart'), 120_000);

  test('two cuts lose nothing, and the last lines agree with a plain reading of the file', async () => {
    const { lines, orders, malformed } = readPlainly(await readLines(file));
    expect(lines).toBeGreaterThanOrEqual(1_000);
    expect(malformed).toBeGreaterThan(0);

    const url = broker.kind === 'rabbitmq' ? broker.url : '';
    const { status, output } = await runSample('quickstart', url);
    const n = String(lines);
    expect(output.at(-1)).toBe(
      `published ${n}, confirmed ${n}, handled ${String(orders)}, dead-lettered ${String(malformed)}, lost 0, recoveries 2`,
    );
    expect(output.at(-2)).toMatch(/^repeats \d+, replayed unknowns \d+$/);
    expect(status).toBe(0);

    const cuts = output.flatMap((line) => {
      const numbers = /^cut (\d+) connections with (\d+) publishes unconfirmed and (\d+) deliveries unsettled/.exec(
        line,
      );
      return numbers ? [numbers.slice(1).map(Number)] : [];
    });
    expect(cuts).toHaveLength(2);
    for (const [connections, unconfirmed, unsettled] of cuts) {
      expect(connections).toBe(3);
      expect(unconfirmed).toBeGreaterThanOrEqual(100);
      expect(unsettled).toBeGreaterThanOrEqual(1);
    }
    // Nothing of the bar's control characters where there is no terminal.
    expect(output.join('\n')).not.toContain('\u001b');
    expect(output.some((line) => line.includes('100 %'))).toBe(true);
  }, 120_000);
});
