/** `npx leveret broker`, as a program of its own. */
import amqp from 'amqplib';
import { connect } from 'leveret/amqp';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { rejection } from '../../support/waiting.js';

const main = fileURLToPath(new URL('../../../lib/cli/main.ts', import.meta.url));

const packageFile = fileURLToPath(new URL('../../../package.json', import.meta.url));

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
    [['broker', '--port', '-1'], 'leveret: broker: --port needs a value\n'],
    [['broker', '--port'], 'leveret: broker: --port needs a value\n'],
    [['broker', '--log=x'], 'leveret: broker: --log takes no value\n'],
    [
      ['broker', '--memory-limit', '1GB'],
      'leveret: broker: --memory-limit must be a number of bytes from 1 on, not "1GB"\n',
    ],
    [['bogus'], expect.stringMatching(/^leveret: unknown command "bogus"; there is: .*broker.*\n$/)],
  ])(
    'refuses %j',
    async (options, text) => {
      expect(await finished(leveret(...options))).toEqual({ code: 2, stdout: '', stderr: text });
    },
    30_000,
  );

  it.each([[['--version']], [['broker', '--version']]])(
    'tells its version: %j',
    async (options) => {
      const { version } = JSON.parse(await readFile(packageFile, 'utf8')) as { version: string };
      expect(await finished(leveret(...options))).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    },
    30_000,
  );

  it('helps', async () => {
    const { code, stdout } = await finished(leveret('broker', '--help'));
    expect(code).toBe(0);
    for (const option of ['--emulate', '--users', '--definitions', '--tls-ca', '--log', 'Examples', 'Exit code']) {
      expect(stdout).toContain(option);
    }
  }, 30_000);
});

describe('leveret broker with more', () => {
  const password = 'a-password-that-nobody-says';
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'leveret-broker-'));
  });

  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  async function file(name: string, content: unknown): Promise<string> {
    const path = join(directory, name);
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  }

  /** Runs it while `use` does, and answers how it ended. */
  async function serving(options: string[], use: (url: string) => Promise<void>): Promise<Finished> {
    const child = leveret('broker', '--port', '0', ...options);
    const ended = finished(child);
    try {
      if (!child.stdout) throw new Error('no output');
      const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
      await use(url);
    } finally {
      child.kill('SIGTERM');
    }
    return await ended;
  }

  it('users and definitions out of files', async () => {
    const hosts = { '/': { configure: '^$' }, v: {}, w: {} };
    const users = await file('users.json', [{ name: 'shop', password, virtualHosts: hosts }]);
    const definitions = await file('definitions.json', {
      vhosts: [{ name: '/' }, { name: 'v' }],
      queues: [{ name: 'orders', vhost: '/', durable: true, auto_delete: false, arguments: {} }],
    });
    const options = [
      ...['--users', users, '--definitions', definitions, '--log'],
      ...['--vhost', 'w', '--vhost', 'x', '--memory-limit', '1000000'],
    ];
    const { code, stderr } = await serving(options, async (url) => {
      const connection = await connect(url.replace('guest:guest@', ''), {
        ...{ username: 'shop', password, connectionName: 'a\u001b[31mname' },
      });
      const channel = await connection.openChannel({ confirm: true });
      await channel.publish('', 'orders', 'a body that nobody says', { headers: { note: 'x' } });
      expect(await channel.queueExists('orders')).toBe(true);
      await connection.updateSecret(`another-${password}`, 'a reason');
      await connection.close();
      await (await connect(`${url}/x`)).close();
      await (await connect(url.replace('guest:guest@', ''), { username: 'shop', password, virtualHost: 'w' })).close();
    });
    expect(code).toBe(0);
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toContainEqual(expect.stringMatching(/^[\d:.]{12} #1 \S+ < 0 connection\.start versionMinor=9 /));
    expect(lines).toContainEqual(
      expect.stringMatching(/ > 0 connection\.start-ok .*mechanism="PLAIN" response=hidden/),
    );
    expect(lines).toContainEqual(
      expect.stringMatching(/^[\d:.]{12} #1 "a\\u001b\[31mname" > 1 basic\.publish routingKey="orders" body=23 bytes$/),
    );
    expect(lines).toContainEqual(expect.stringMatching(/ < 1 basic\.ack deliveryTag=1$/));
    expect(stderr).not.toContain(password);
    expect(stderr).not.toContain('nobody says');
    expect(stderr).not.toContain('\u001b');
  }, 30_000);

  it('TLS, with client certificates by choice', async () => {
    const certificates = process.env['LEVERET_TEST_TLS_DIRECTORY'];
    if (certificates === undefined) throw new Error('needs openssl: LEVERET_TEST_TLS_DIRECTORY is not set');
    const at = (name: string): string => join(certificates, name);
    const ca = await readFile(at('ca.pem'));
    const options = [
      ...['--tls-cert', at('server.pem'), '--tls-key', at('server.key')],
      ...['--tls-ca', at('ca.pem'), '--tls-login', 'common_name'],
    ];
    const { code, stderr } = await serving(options, async (url) => {
      expect(url).toMatch(/^amqps:/);
      expect(await rejection(connect(url, { tls: { ca, servername: 'localhost' } }))).toMatchObject({
        name: 'TlsError',
      });
      const tls = {
        ca,
        servername: 'localhost',
        cert: await readFile(at('client.pem')),
        key: await readFile(at('client.key')),
      };
      await (await connect(url, { tls })).close();
      const { host } = new URL(url);
      await (await connect(`amqps://${host}`, { tls, credentials: { mechanism: 'EXTERNAL' } })).close();
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  }, 30_000);

  it('warns where others can reach guest/guest, and not where guest has another password', async () => {
    expect((await serving(['--host', '0.0.0.0'], () => Promise.resolve())).stderr).toMatch(
      /guest\/guest may do everything/,
    );
    const users = await file('guest.json', [{ name: 'guest', password }]);
    expect((await serving(['--host', '0.0.0.0', '--users', users], () => Promise.resolve())).stderr).toBe('');
  }, 30_000);

  it.each<[string, string[], string | undefined, number, RegExp]>([
    ['a file that is not there', ['--users', 'FILE'], undefined, 1, /--users: cannot read .*ENOENT/],
    ['a file that is no JSON', ['--users', 'FILE'], `[{"password":"${password}",}]`, 1, /--users: .* is no JSON$/m],
    [
      'users that are none',
      ['--users', 'FILE'],
      `[{"name":"u","password":["${password}"]}]`,
      1,
      /users\[0\]\.password: must be a string/,
    ],
    ['definitions that are none', ['--definitions', 'FILE'], '{"queues":[{}]}', 1, /queues\[0\]\.name: is missing/],
    [
      'users of a virtual host that is not there',
      ['--users', 'FILE', '--vhost', 'shop'],
      `[{"name":"u","password":"${password}","virtualHosts":{"shop":{},"other":{}}}]`,
      1,
      /--users: users\[0\]\.virtualHosts: there is no virtual host "other"; --vhost makes one/,
    ],
    [
      'two users of one name',
      ['--users', 'FILE'],
      `[{"name":"u","password":"${password}"},{"name":"u"}]`,
      1,
      /users\[1\]\.name: there are two users "u"/,
    ],
    [
      'an authority that is none',
      ['--tls-cert', 'FILE', '--tls-key', 'FILE', '--tls-ca', 'FILE'],
      '{}',
      1,
      /--tls-ca: no certificate \(PEM\) in /,
    ],
    ['a certificate alone', ['--tls-cert', 'FILE'], 'x', 2, /TLS needs both --tls-cert and --tls-key/],
    [
      'a certificate that is none',
      ['--tls-cert', 'FILE', '--tls-key', 'FILE'],
      password,
      1,
      /certificate and key cannot be used/,
    ],
  ])(
    'refuses %s in one line, and repeats nothing of it',
    async (_what, options, content, expectedCode, text) => {
      const path = content === undefined ? join(directory, 'none.json') : await file('wrong.json', content);
      const given = options.map((option) => (option === 'FILE' ? path : option));
      const { code, stdout, stderr } = await finished(leveret('broker', '--port', '0', ...given));
      expect({ code, stdout }).toEqual({ code: expectedCode, stdout: '' });
      expect(stderr).toMatch(text);
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
      expect(stderr).not.toContain(password);
    },
    30_000,
  );
});
