/** The quick start as `npm start` runs it: compiled by the Nest CLI, in a process of its own. */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { beforeAll, expect, test } from '@jest/globals';
import { readLines, readPlainly } from '../../sample/quickstart/orders-file.js';
import { describeOnBrokers } from '../support/brokers.js';

const root = new URL('../../', import.meta.url);
const file = new URL('sample/quickstart/orders.jsonl', root);

interface Outcome {
  readonly status: number;
  readonly output: string[];
  readonly errors: string;
}

function run(program: string, programArguments: readonly string[], amqpUrl: string): Promise<Outcome> {
  const { NODE_OPTIONS: _options, AMQP_URL: _url, ...environment } = process.env;
  const options = { cwd: root, env: { ...environment, AMQP_URL: amqpUrl }, timeout: 100_000 };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...programArguments], options, (error, stdout, stderr) => {
      const status = error ? (typeof error.code === 'number' ? error.code : 1) : 0;
      resolve({ status, output: stdout.trimEnd().split('\n'), errors: stderr });
    });
  });
}

let building: Promise<Outcome> | undefined;

/** Compiles the sample, once for all brokers. */
async function build(): Promise<void> {
  // The CLI has no entry point to be imported: its program is found as its package says.
  building ??= run(createRequire(import.meta.url).resolve('@nestjs/cli/bin/nest.js'), ['build', 'quickstart'], '');
  const { status, output, errors } = await building;
  if (status !== 0) throw new Error(`nest build failed:\n${output.join('\n')}\n${errors}`);
}

describeOnBrokers('the quick start', (broker) => {
  beforeAll(build, 120_000);

  test('two cuts lose nothing, and the last lines agree with a plain reading of the file', async () => {
    const { lines, orders, malformed } = readPlainly(await readLines(file));
    expect(lines).toBeGreaterThanOrEqual(1_000);
    expect(malformed).toBeGreaterThan(0);

    const url = broker.kind === 'rabbitmq' ? broker.url : '';
    const { status, output } = await run('build/sample/quickstart/main.js', [], url);
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
