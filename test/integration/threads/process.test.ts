/** What a whole process shows of threads: the options it was started with, and that closed ones let it end. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describeOnBroker } from '../../support/brokers.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const typescript = ['--import', './test/support/typescript-in-worker.mjs'];

async function run(url: string, nodeArguments: string[]): Promise<{ output: string; errors: string; status: unknown }> {
  const child = spawn(process.execPath, nodeArguments, {
    cwd: root,
    env: { ...process.env, AMQP_URL: url, NODE_OPTIONS: '--unhandled-rejections=strict' },
    timeout: 20_000,
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [output, errors, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { output, errors, status };
}

describeOnBroker('a process with an I/O thread and a worker on a share', (broker) => {
  test('exits by itself, soon, once both connections are closed', async () => {
    const program = 'test/support/programs/threads-and-exit.ts';
    const { output, ...end } = await run(broker.url, ['--import', 'tsx', program]);
    expect(end).toEqual({ status: 0, errors: '' });
    expect(Number(output)).toBeLessThan(2_000);
  }, 30_000);
});

/** The options are Node's own. */
const isNode = !('deno' in process.versions) && !('bun' in process.versions);
const describeOnNode = isNode ? describeOnBroker : (): void => undefined;

describeOnNode('a process that was started with options which no worker takes', (broker) => {
  const program = 'test/support/programs/io-thread.ts';
  const evaluated = `await import(${JSON.stringify(pathToFileURL(`${root}/${program}`).href)})`;
  const options = ['--max-old-space-size=512', '--expose-gc', '--stack-size=900', '--title=hare'];

  test.each([
    ['a file', [...options, ...typescript, program]],
    ['a text', [...options, ...typescript, '--input-type=module', '--eval', evaluated]],
    ['a text, with the options behind it', [...typescript, '--input-type', 'module', ...options, '-e', evaluated]],
  ])(
    'connects with an I/O thread, running %s',
    async (_what, nodeArguments) => {
      expect(await run(broker.url, nodeArguments)).toEqual({ output: 'closed\n', errors: '', status: 0 });
    },
    30_000,
  );
});
