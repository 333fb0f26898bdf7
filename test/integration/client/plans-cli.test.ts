/** `npx leveret topology`, as a program of its own. */
import { connect, toDefinitions, type Connection } from 'leveret/amqp';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CommandError } from '../../../lib/cli/command.js';
import { topologyCommand } from '../../../lib/cli/commands/topology.js';
import { describeOnBroker, describeOnEmbedded, describeOnRabbitmq } from '../../support/brokers.js';
import { everythingShown, holdsSecret, secret } from '../../support/secrets.js';
import { rejection } from '../../support/waiting.js';

const main = fileURLToPath(new URL('../../../lib/cli/main.ts', import.meta.url));

function leveret(options: string[], environment: Record<string, string> = {}): ChildProcess {
  const { AMQP_URL: _, AMQP_MANAGEMENT_URL: __, ...inherited } = process.env;
  return spawn(process.execPath, ['--import', 'tsx', main, 'topology', ...options], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...inherited, ...environment },
  });
}

async function finished(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}

async function withFile<Result>(content: unknown, use: (file: string) => Promise<Result>): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), 'leveret-topology-'));
  try {
    const file = join(directory, 'definitions.json');
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
    return await use(file);
  } finally {
    await rm(directory, { recursive: true });
  }
}

describeOnBroker('leveret topology', (broker) => {
  let connection: Connection;
  let exchange: string;
  let queue: string;

  beforeEach(async () => {
    connection = await connect(broker.url);
    exchange = broker.unique('cli-x');
    queue = broker.unique('cli-q');
  });
  afterEach(async () => {
    const channel = await connection.openChannel();
    await channel.queueDelete(queue);
    await channel.exchangeDelete(exchange);
    await connection.close();
  });

  function definitions(maximum = 5): object {
    return {
      users: [{ name: 'guest', password_hash: secret }],
      exchanges: [{ name: exchange, vhost: '/', type: 'topic', durable: true }],
      queues: [{ name: queue, vhost: '/', durable: true, arguments: { 'x-max-length': maximum } }],
      bindings: [{ source: exchange, vhost: '/', destination: queue, destination_type: 'queue', routing_key: '#' }],
    };
  }

  test('plans with 2 while something is missing, applies with 0, and plans with 0 then', async () => {
    await withFile(definitions(), async (file) => {
      const missing = await finished(leveret(['plan', file, '--url', broker.url]));
      expect(missing).toEqual({
        code: 2,
        stdout: [
          `missing exchange ${exchange}`,
          `missing queue ${queue}`,
          `missing binding ${exchange} -> ${queue} (#)`,
          '3 missing, 0 in conflict, 0 extra, 0 equal, 0 unknown',
          '',
        ].join('\n'),
        stderr: '',
      });
      const applied = await finished(leveret(['apply', file], { AMQP_URL: broker.url }));
      expect(applied).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('3 made') });
      const planned = leveret(['plan', '-', '--json', `--url=${broker.url}`]);
      planned.stdin?.end(JSON.stringify(definitions()));
      const { code, stdout } = await finished(planned);
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        isEqual: true,
        entities: [
          { kind: 'exchange', name: exchange, state: 'equal' },
          { kind: 'queue', name: queue, state: 'equal' },
          { kind: 'binding', state: 'unknown' },
        ],
      });
    });
  }, 30_000);

  test('plans with 2 over a conflict, which it names, and applies nothing with 1', async () => {
    const channel = await connection.openChannel();
    await channel.queueDeclare(queue, { arguments: { 'x-max-length': 5 } });
    await withFile(definitions(6), async (file) => {
      const [planned, applied] = await Promise.all(
        ['plan', 'apply'].map((action) => finished(leveret([action, file, '--url', broker.url]))),
      );
      expect(planned).toMatchObject({ code: 2, stderr: '' });
      expect(planned?.stdout).toContain(`conflict queue ${queue}\n    x-max-length: declared 6, on the broker 5\n`);
      expect(applied).toMatchObject({ code: 1, stdout: '' });
      expect(applied?.stderr).toContain('x-max-length: declared 6, on the broker 5');
      expect(await channel.exchangeExists(exchange)).toBe(false);
    });
  }, 30_000);

  test('watches until it is interrupted, and its exit code says how it was at the end', async () => {
    await connection.apply({
      exchanges: [{ name: exchange, type: 'topic' }],
      queues: [{ name: queue }],
    });
    await withFile(toDefinitions(connection.topology, '/'), async (file) => {
      const child = leveret(['drift', file, '--url', broker.url, '--interval', '0.02', '--json']);
      const ended = finished(child);
      if (!child.stdout) throw new Error('no output');
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
      const next = async (): Promise<unknown> => JSON.parse((await lines.next()).value as string) as unknown;
      const channel = await connection.openChannel();
      await channel.queueDelete(queue);
      expect(await next()).toMatchObject({ isEqual: false, missing: [{ name: queue }], healed: [] });
      await channel.queueDeclare(queue);
      expect(await next()).toMatchObject({ isEqual: true, missing: [], healed: [{ name: queue, state: 'equal' }] });
      await channel.exchangeDelete(exchange);
      expect(await next()).toMatchObject({ isEqual: false, missing: [{ name: exchange }] });
      child.kill('SIGINT');
      expect(await ended).toMatchObject({ code: 2, stderr: '' });
    });
  }, 30_000);
});

describeOnRabbitmq('leveret topology with the management API', (broker) => {
  const managementUrl = process.env['LEVERET_TEST_MANAGEMENT_URL'];
  if (managementUrl === undefined || managementUrl === '') {
    test.skip('needs the management API: LEVERET_TEST_MANAGEMENT_URL is not set', () => undefined);
    return;
  }
  test('tells bindings, also those that the file does not name', async () => {
    const connection = await connect(broker.url);
    const channel = await connection.openChannel();
    const queue = broker.unique('cli-q');
    await channel.queueDeclare(queue);
    await channel.queueBind(queue, 'amq.topic', 'ours');
    const definitions = toDefinitions(connection.topology, '/');
    await channel.queueBind(queue, 'amq.topic', 'theirs');
    const { code, stdout } = await withFile(definitions, (file) =>
      finished(leveret(['plan', file], { AMQP_URL: broker.url, AMQP_MANAGEMENT_URL: managementUrl })),
    );
    await channel.queueDelete(queue);
    await connection.close();
    expect(stdout.split('\n')).toEqual([
      `equal queue ${queue}`,
      `equal binding amq.topic -> ${queue} (ours)`,
      `extra binding amq.topic -> ${queue} (theirs)`,
      '0 missing, 0 in conflict, 1 extra, 2 equal, 0 unknown',
      '',
    ]);
    expect(code).toBe(2);
  }, 30_000);
});

describeOnEmbedded('leveret topology, called wrongly', (broker) => {
  test('says in one line what is wrong, with 1, and never a password', async () => {
    const url = `amqp://guest:${secret}@127.0.0.1:${new URL(broker.url).port}`;
    const good = { queues: [{ name: 'q', vhost: '/', durable: true }] };
    const cases: [options: string[], content: unknown, problem: RegExp][] = [
      [[], good, /^leveret: topology: say what: plan, apply, drift$/],
      [['plan', 'a', 'b'], good, /^leveret: topology: plan takes one FILE$/],
      [['plan', 'FILE', '--bogus'], good, /^leveret: topology: Unknown option '--bogus'$/],
      [['drift', 'FILE', '--interval', 'soon'], good, /^leveret: topology: --interval must be seconds, not "soon"$/],
      [['plan', '/nowhere/at/all.json'], good, /^leveret: topology: cannot read \/nowhere\/at\/all\.json: ENOENT/],
      [['plan', 'FILE'], `{"users":[{"password_hash":"${secret}"},]}`, /definitions\.json is no JSON$/],
      [
        ['plan', 'FILE', '--url', broker.url],
        { queues: [{ name: 5 }] },
        /^leveret: invalid definitions: queues\[0\]\.name/,
      ],
      [['plan', 'FILE', '--url', broker.url], { queues: [] }, /has nothing of the virtual host "\/"$/],
      // The embedded broker takes one password.
      [['plan', 'FILE', '--url', url], good, /^leveret: .*(login|ACCESS_REFUSED|refused)/],
      [['plan', 'FILE', '--url', broker.url, '--management', `ftp://guest:${secret}@h`], good, /management\.url/],
      [
        ['plan', 'FILE', '--url', broker.url, '--management', `http://guest:${secret}@127.0.0.1:1`],
        good,
        /^leveret: management API, http:\/\/127\.0\.0\.1:1\/api\/[a-z]+\/%2F: no answer/,
      ],
    ];
    for (const [options, content, problem] of cases) {
      const error = await withFile(content, (file) =>
        rejection(topologyCommand(options.map((option) => (option === 'FILE' ? file : option)))),
      );
      expect(`leveret: ${error.message}`).toMatch(problem);
      // What is no CommandError ends with 1, too.
      expect(error instanceof CommandError ? error.exitCode : 1).toBe(1);
      expect(holdsSecret(everythingShown(error))).toBe(false);
    }
    const unknown = await finished(leveret(['plan', '--bogus']));
    expect(unknown).toEqual({ code: 1, stdout: '', stderr: "leveret: topology: Unknown option '--bogus'\n" });
    const { code, stdout } = await finished(leveret(['--help']));
    expect({ code, isHelp: stdout.includes('Exit code: 0') }).toEqual({ code: 0, isHelp: true });
  }, 60_000);
});
