/** What a whole process shows of a loss: it exits by itself, with nothing unheard, and no password in its output. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describeOnBroker } from '../../support/brokers.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

function run(program: string, url: string): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', `test/support/programs/${program}`], {
      cwd: root,
      env: { ...process.env, AMQP_URL: url, NODE_OPTIONS: '--unhandled-rejections=strict' },
      timeout: 20_000,
    });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (status) => {
      resolve({ status, output });
    });
  });
}

describeOnBroker('a process', (broker) => {
  test('that lost its connection in the middle exits by itself and says nothing it should not', async () => {
    expect(await run('connect-and-lose.ts', broker.url)).toEqual({ status: 0, output: '' });
  }, 30_000);

  test('with a wrong password ends with the error, and shows the password nowhere', async () => {
    const url = new URL(broker.url);
    url.password = 'Zebra-4711-secret';
    const { status, output } = await run('connect-and-lose.ts', url.href);
    expect(status).not.toBe(0);
    expect(output).toContain('AuthenticationError');
    expect(output).not.toContain('Zebra-4711-secret');
  }, 30_000);
});
