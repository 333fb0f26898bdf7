/** The hybrid application as `npm run sample:hybrid` runs it. */
import { jest } from '@jest/globals';
import { describeOnBroker, describeOnRabbitmq } from '../support/brokers.js';
import { buildSample, queuesLeft, runName, runSample, startSample } from '../support/nest-samples.js';
import { rejection, until } from '../support/waiting.js';
import { Program } from './programs.js';

// It takes three seconds, and its compilation five; machines have other things to do, too.
jest.setTimeout(120_000);

beforeAll(() => buildSample('hybrid'));

const queues = ['mail', 'mail.parked', 'warehouse', 'warehouse.parked'];

describeOnBroker('the hybrid sample', (broker) => {
  test('every order over HTTP is confirmed and mailed, over a cut of all connections', async () => {
    const { status, output, errors } = await runSample('hybrid', broker.kind === 'rabbitmq' ? broker.url : '');
    expect(output.at(-1)).toBe('hybrid: 200 orders over HTTP, 200 confirmed, 200 mailed, 0 lost');
    expect(output.filter((line) => line.startsWith('WRONG'))).toEqual([]);
    expect(errors).toBe('');
    expect(status).toBe(0);
    expect(await queuesLeft(broker.url, runName(output[0]), queues)).toEqual([]);

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
    // At once: what is left to do then takes a moment only.
    child.stdout?.on('data', (output: Buffer) => {
      if (output.includes('cut 4 connections')) child.kill('SIGTERM');
    });
    try {
      await until('it has begun', () => program.output.includes('\n') || child.exitCode !== null, 60_000);
      const run = runName(program.output);
      await until('it has its queues', async () => (await queuesLeft(broker.url, run, queues)).length > 0, 60_000);
      await until('it was interrupted', () => child.killed || child.exitCode !== null, 60_000);
      expect((await rejection(program.ends())).message).toMatch(/^hybrid ended with SIGTERM/);
      expect(program.output).not.toContain('hybrid: ');
      expect(await queuesLeft(broker.url, run, queues)).toEqual([]);
    } finally {
      await program.stop();
    }
  });
});
