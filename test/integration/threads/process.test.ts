/** What a whole process shows of threads: closed, they do not keep it alive. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describeOnBrokers } from '../../support/brokers.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

describeOnBrokers('a process with an I/O thread and a worker on a share', (broker) => {
  test('exits by itself, soon, once both connections are closed', async () => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'test/support/programs/threads-and-exit.ts'], {
      cwd: root,
      env: { ...process.env, AMQP_URL: broker.url, NODE_OPTIONS: '--unhandled-rejections=strict' },
      timeout: 20_000,
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    const [output, errors, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    expect({ status, errors }).toEqual({ status: 0, errors: '' });
    expect(Number(output)).toBeLessThan(2_000);
  }, 30_000);
});
