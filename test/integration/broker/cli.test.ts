/** `npx leveret broker`, as a program of its own. */
import amqp from 'amqplib';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../../lib/cli/main.ts', import.meta.url));

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function leveret(...options: string[]): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', main, ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function finished(child: ChildProcess): Promise<Finished> {
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}

describe('leveret broker', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'prints its URL, serves, and ends cleanly on %s',
    async (signal) => {
      const child = leveret('broker', '--port', '0');
      const ended = finished(child);
      if (!child.stdout) throw new Error('no output');
      const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
      expect(url).toMatch(/^amqp:\/\/guest:guest@127\.0\.0\.1:\d+$/);
      const connection = await amqp.connect(url);
      connection.on('error', () => undefined);
      const channel = await connection.createConfirmChannel();
      await channel.assertQueue('q');
      channel.sendToQueue('q', Buffer.from('x'));
      await channel.waitForConfirms();
      expect((await channel.checkQueue('q')).messageCount).toBe(1);
      child.kill(signal);
      expect(await ended).toMatchObject({ code: 0, stdout: `${url}\n`, stderr: '' });
    },
    30_000,
  );

  it('says in one line that its port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { code, stdout, stderr } = await finished(leveret('broker', '--port', String(port)));
    server.close();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(
      `leveret: broker: 127.0.0.1:${String(port)} is taken; choose another with --port, or --port 0 for any free one\n`,
    );
  }, 30_000);

  it.each([
    [['broker', '--port', 'x'], 'leveret: broker: --port must be a number from 0 to 65535, not "x"\n'],
    [['broker', '--emulate', '2'], 'leveret: broker: --emulate must be 3.10 or 4.3, not "2"\n'],
    [['broker', '--bogus'], "leveret: broker: Unknown option '--bogus'\n"],
    [['bogus'], expect.stringMatching(/^leveret: unknown command "bogus"; there is: .*broker.*\n$/)],
  ])(
    'refuses %j',
    async (options, text) => {
      expect(await finished(leveret(...options))).toEqual({ code: 2, stdout: '', stderr: text });
    },
    30_000,
  );

  it('helps', async () => {
    const { code, stdout } = await finished(leveret('broker', '--help'));
    expect(code).toBe(0);
    expect(stdout).toContain('--emulate');
  }, 30_000);
});
