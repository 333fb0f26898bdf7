/** The hybrid application as `npm run sample:hybrid` runs it. */
import { jest } from '@jest/globals';
import { connect } from 'leveret/amqp';
import { describeOnBrokers, describeOnRabbitmq } from '../../support/brokers.js';
import { buildSample, runSample, startSample } from '../../support/nest-samples.js';
import { rejection } from '../../support/waiting.js';
import { Program } from './programs.js';

// It takes three seconds, and its compilation five; machines have other things to do, too.
jest.setTimeout(120_000);

beforeAll(() => buildSample('hybrid'));

/** What the first line calls the run, and all that it declares. */
function runName(text = ''): string {
  const [name = ''] = text.split(',');
  expect(name).toMatch(/^hybrid\.[0-9a-f]{8}$/);
  return name;
}

async function queuesOf(run: string, url: string): Promise<string[]> {
  const connection = await connect(url);
  const channel = await connection.openChannel();
  const existing: string[] = [];
  for (const queue of ['mail', 'mail.parked', 'warehouse', 'warehouse.parked']) {
    if (await channel.queueExists(`${run}.${queue}`)) existing.push(queue);
  }
  await connection.close();
  return existing;
}

async function expectNothingOf(run: string, url: string): Promise<void> {
  expect(await queuesOf(run, url)).toEqual([]);
}

describeOnBrokers('the hybrid sample', (broker) => {
  test('every order over HTTP is confirmed and mailed, over a cut of all connections', async () => {
    const { status, output, errors } = await runSample('hybrid', broker.kind === 'rabbitmq' ? broker.url : '');
    expect(output.at(-1)).toBe('hybrid: 200 orders over HTTP, 200 confirmed, 200 mailed, 0 lost');
    expect(output.filter((line) => line.startsWith('WRONG'))).toEqual([]);
    expect(errors).toBe('');
    expect(status).toBe(0);
    await expectNothingOf(runName(output[0]), broker.url);

    const cut = /^cut (\d+) connections with (\d+) questions, (\d+) orders and (\d+) mails under way: all recovered/m;
    const [connections, ...underWay] = (cut.exec(output.join('\n')) ?? []).slice(1).map(Number);
    // The module's, the server's, and one for each of the two clients.
    expect(connections).toBe(4);
    expect(Math.min(...underWay)).toBeGreaterThanOrEqual(1);
  });
});

describeOnRabbitmq('the hybrid sample, interrupted', (broker) => {
  test('SIGTERM ends it in the midst of its work, and it leaves nothing on the broker', async () => {
    const child = startSample('hybrid', broker.url);
    const program = new Program('hybrid', child);
    try {
      await program.says('cut 4 connections');
      const run = runName(program.output);
      expect(await queuesOf(run, broker.url)).toContain('mail');
      child.kill('SIGTERM');
      expect((await rejection(program.ends())).message).toMatch(/^hybrid ended with SIGTERM/);
      expect(program.output).not.toContain('hybrid: ');
      await expectNothingOf(run, broker.url);
    } finally {
      await program.stop();
    }
  });
});
