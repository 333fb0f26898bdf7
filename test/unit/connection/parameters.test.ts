/** Defaults, precedence and faults of connection parameters; secrets stay hidden. */
import { inspect } from 'node:util';
import {
  resolveParameters,
  type ConnectionParameters,
  type ResolvedEndpoint,
} from '../../../lib/amqp/connection/index.js';
import { ParametersError } from '../../../lib/amqp/errors.js';

function faultsOf(parameters: unknown): readonly string[] {
  try {
    resolveParameters(parameters as ConnectionParameters);
  } catch (error) {
    if (error instanceof ParametersError) return error.faults;
  }
  return [];
}

/** What PLAIN would say for the endpoint. */
async function loginOf(endpoint: ResolvedEndpoint | undefined): Promise<string | undefined> {
  const sasl = await endpoint?.credentials.choose(['PLAIN', 'AMQPLAIN', 'EXTERNAL']);
  return sasl && Buffer.from(await sasl.response()).toString();
}

describe('connection parameters', () => {
  test('every field has a default', async () => {
    const resolved = resolveParameters({});
    expect(resolved.endpoints).toHaveLength(1);
    expect(resolved.endpoints[0]).toMatchObject({ host: 'localhost', port: 5672, tls: false, virtualHost: '/' });
    expect(await loginOf(resolved.endpoints[0])).toBe('\0guest\0guest');
    expect(resolved).toMatchObject({ connectionName: undefined, maxHeaderSize: 16 * 1024 * 1024, tlsTimeout: 10_000 });
    expect(resolved).toMatchObject({
      bringUpTimeout: 30_000,
      handshakeTimeout: 10_000,
      joinAcks: true,
      plaintext: { policy: 'warn' },
    });
    expect(resolved.recovery).toEqual({ initialDelay: 100, maxDelay: 10_000, attempts: Infinity });
    expect(resolved.publishBuffer).toEqual({ messages: 1_000, bytes: 16 * 1024 * 1024, timeout: 10_000 });
    expect(resolved.attempts).toBe(1);
  });

  test('what a URI says wins for its endpoint; the rest comes from beside it', async () => {
    const { endpoints } = resolveParameters({
      url: ['amqp://one:1@a:1/x?heartbeat=5', 'amqps://b'],
      username: 'two',
      password: '2',
      virtualHost: 'y',
      heartbeat: 9,
    });
    expect(endpoints[0]).toMatchObject({ host: 'a', port: 1, virtualHost: 'x', heartbeat: 5, tls: false });
    expect(endpoints[1]).toMatchObject({ host: 'b', port: 5671, virtualHost: 'y', heartbeat: 9, tls: {} });
    expect(await loginOf(endpoints[0])).toBe('\0one\x001');
    expect(await loginOf(endpoints[1])).toBe('\0two\x002');
  });

  test('endpoints have parameters of their own', () => {
    const { endpoints } = resolveParameters({ endpoints: [{ host: 'a' }, { url: 'amqp://b:7' }], port: 9 });
    expect(endpoints.map(({ host, port }) => `${host}:${String(port)}`)).toEqual(['a:9', 'b:7']);
  });

  test('an endpoint’s own login replaces the one beside it as a whole', async () => {
    const { endpoints } = resolveParameters({
      endpoints: [
        { host: 'a' },
        { host: 'b', username: 'b', password: '2' },
        { host: 'c', credentials: { mechanism: 'EXTERNAL' } },
      ],
      credentials: () => ({ username: 'beside', password: '1' }),
    });
    expect(await loginOf(endpoints[0])).toBe('\0beside\x001');
    expect(await loginOf(endpoints[1])).toBe('\0b\x002');
    expect(await loginOf(endpoints[2])).toBe('');
  });

  test.each<[unknown, string]>([
    [{ credentials: { mechanism: 'EXTERNAL' }, username: 'x' }, 'give credentials or the other two'],
    [{ credentials: { username: 'x', password: 'y', mechanism: 'EXTERNALLY' } }, 'PLAIN or AMQPLAIN'],
    [{ credentials: { mechanism: 'A B', response: () => '' } }, 'name of a SASL mechanism'],
    [{ credentials: { mechanism: 'X', response: () => '', challenge: 5 } }, 'challenge: must be a function'],
    [{ credentials: 'guest:guest' }, 'credentials: must be'],
    [{ endpoints: [{ host: 'a', credentials: { username: 'x' } }] }, 'endpoints[0].credentials'],
    [{ plaintext: 'never' }, '"warn" or "refuse" or "allow"'],
    [{ maxHeaderSize: 100 }, 'maxHeaderSize'],
    [{ tlsTimeout: -1 }, 'tlsTimeout'],
    [{ bringUpTimeout: 1.5 }, 'bringUpTimeout'],
    [{ tcp: { family: 5 } }, 'tcp.family'],
    [{ tcp: { localAddress: 'here' } }, 'tcp.localAddress'],
    [{ tcp: { lookup: 'dns' } }, 'tcp.lookup'],
    [{ clientProperties: { capabilities: true } }, 'clientProperties: capabilities'],
    [{ clientProperties: { a: { b: Symbol('x') } } }, 'a.b'],
    [{ clientProperties: { ['k'.repeat(256)]: 1 } }, 'clientProperties'],
    [{ tls: { socket: {} } }, 'tls.socket'],
    [{ tls: { hostname: 'x' } }, 'tls.hostname: unknown'],
    [{ tls: { rejectUnauthorized: 'no' } }, 'tls.rejectUnauthorized'],
    [{ tls: { cert: 'x' } }, 'tls.cert: needs its key'],
    [{ tls: { ca: 'no PEM' } }, 'tls.ca: holds no certificate'],
    [{ tls: { minVersion: 'TLSv9' } }, 'TLSv9'],
    [{ tls: { maxVersion: 'TLSv1.1' } }, 'tls.maxVersion: is below minVersion'],
    [{ url: 'amqps://host', tls: { checkServerIdentity: true } }, 'tls.checkServerIdentity'],
  ])('%j is refused', (parameters, words) => {
    expect(faultsOf(parameters).join('\n')).toContain(words);
  });

  test('a fault that several endpoints share is named once', () => {
    expect(faultsOf({ url: ['amqps://a', 'amqps://b'], tls: { color: 'red' } })).toEqual([
      'tls.color: unknown TLS option',
    ]);
  });

  test('all faults are named at once', () => {
    const faults = faultsOf({
      url: 'amqp://h:0',
      endpoints: [],
      heartbeat: 1.5,
      recovery: { initialDelay: -1, maxDelays: 3 },
      publishBuffer: { messages: 'many' },
      tcp: { noDelay: 1 },
      credentials: { username: 'x' },
      channelMax: 70_000,
      __proto__: { inherited: true },
      transport: 'tcp',
    }).join('\n');
    for (const word of [
      'port',
      'endpoints:',
      'heartbeat',
      'recovery.initialDelay',
      'recovery.maxDelays: unknown',
      'publishBuffer.messages',
      'tcp.noDelay',
      'credentials',
      'channelMax',
      'transport',
    ]) {
      expect(faults).toContain(word);
    }
    expect(faults).not.toContain('inherited');
  });

  test.each([null, 5, 'amqp://x', []])('%p is no parameters object', (parameters) => {
    expect(faultsOf(parameters)).toEqual(['the parameters must be an object']);
  });

  test('no inspection or JSON shows a secret', () => {
    const secret = 'Zebra-4711-secret';
    for (const parameters of [
      { url: `amqp://user:${secret}@host` },
      { username: 'user', password: secret },
      { credentials: { username: 'user', password: secret, mechanism: 'AMQPLAIN' as const } },
    ]) {
      const resolved = resolveParameters(parameters);
      expect(inspect(resolved, { depth: 20, showHidden: true })).not.toContain(secret);
      expect(JSON.stringify(resolved)).not.toContain(secret);
    }
  });
});
