/** Defaults, precedence and faults of connection parameters; secrets stay hidden. */
import { inspect } from 'node:util';
import { resolveParameters, type ConnectionParameters } from '../../../lib/amqp/connection/index.js';
import { ParametersError } from '../../../lib/amqp/errors.js';

function faultsOf(parameters: unknown): readonly string[] {
  try {
    resolveParameters(parameters as ConnectionParameters);
  } catch (error) {
    if (error instanceof ParametersError) return error.faults;
  }
  return [];
}

describe('connection parameters', () => {
  test('every field has a default', async () => {
    const resolved = resolveParameters({});
    expect(resolved.endpoints).toHaveLength(1);
    expect(resolved.endpoints[0]).toMatchObject({ host: 'localhost', port: 5672, tls: false, virtualHost: '/' });
    expect(await resolved.endpoints[0]?.credentials.obtain()).toEqual({ username: 'guest', password: 'guest' });
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
    expect(await endpoints[0]?.credentials.obtain()).toEqual({ username: 'one', password: '1' });
    expect(await endpoints[1]?.credentials.obtain()).toEqual({ username: 'two', password: '2' });
  });

  test('endpoints have parameters of their own', () => {
    const { endpoints } = resolveParameters({ endpoints: [{ host: 'a' }, { url: 'amqp://b:7' }], port: 9 });
    expect(endpoints.map(({ host, port }) => `${host}:${String(port)}`)).toEqual(['a:9', 'b:7']);
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
    const resolved = resolveParameters({ url: `amqp://user:${secret}@host` });
    expect(inspect(resolved, { depth: 20, showHidden: true })).not.toContain(secret);
    expect(JSON.stringify(resolved)).not.toContain(secret);
  });
});
