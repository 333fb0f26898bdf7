/** Several endpoints: each round walks the whole list, and only after it anything waits. */
import { describe, expect, test } from '@jest/globals';
import {
  AuthenticationError,
  connect,
  connectTcp,
  ConnectionClosedError,
  ConnectionError,
  ConnectionRefusedError,
  TimeoutError,
  type Connection,
  type ConnectionParameters,
  type TcpOptions,
  type TransportFactory,
} from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { RecordingServer, type RecordingServerOptions } from '../../support/recording-server.js';
import { ScriptedPeer } from '../../support/scripted-peer.js';
import { everythingShown, holdsSecret, secret } from '../../support/secrets.js';
import { rejection, until } from '../../support/waiting.js';

const servers: RecordingServer[] = [];
const connections: Connection[] = [];

async function serve(options: RecordingServerOptions = {}): Promise<RecordingServer> {
  const server = await RecordingServer.start(options);
  servers.push(server);
  return server;
}

async function opened(parameters: ConnectionParameters): Promise<Connection> {
  const connection = await connect(parameters);
  connections.push(connection);
  return connection;
}

afterEach(async () => {
  await Promise.all(connections.splice(0).map((connection) => connection.close()));
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

const deadPort = 1;

describeOnBroker('endpoints of which', (broker) => {
  const goodPort = (): number => Number(new URL(broker.url).port);

  test('one is dead, one silent and one good: the good one is found within one round', async () => {
    const silent = await serve();
    const connection = await opened({
      url: [deadPort, silent.port, goodPort()].map((port) => `amqp://guest:guest@127.0.0.1:${String(port)}`),
      handshakeTimeout: 80,
    });
    expect(connection.endpoint.port).toBe(goodPort());
    expect(silent.connections).toBe(1);
    await until('the silent one was let go', () => silent.openConnections === 0);
  });

  test('another one is good after a loss: the connection goes there', async () => {
    const doomed = await serve({ broker: goodPort() });
    const connection = await opened({
      url: [doomed.port, deadPort, goodPort()].map((port) => `amqp://guest:guest@127.0.0.1:${String(port)}`),
      recovery: { initialDelay: 1, maxDelay: 10 },
    });
    expect(connection.endpoint.port).toBe(doomed.port);
    const recovered = new Promise((resolve) => connection.on('recovered', resolve));
    await doomed.stop();
    await recovered;
    expect(connection.endpoint.port).toBe(goodPort());
  });

  test('the name leads elsewhere in time: it is looked up anew at each attempt', async () => {
    const asked: string[] = [];
    // RFC 5737's documentation network would need a time-out; an address of ours where nobody listens refuses at once.
    const answers = ['127.0.0.254', '127.0.0.253', '127.0.0.1'];
    const lookup: TcpOptions['lookup'] = (hostname, options, done) => {
      asked.push(hostname);
      const address = answers[Math.min(asked.length, answers.length) - 1] ?? '';
      if (options.all === true) done(null, [{ address, family: 4 }]);
      else done(null, address, 4);
    };
    const elsewhere = await serve({ broker: goodPort() });
    // Bound to 127.0.0.1 alone, so that the first two answers are refused.
    await opened({ host: 'rabbit.example', port: elsewhere.port, tcp: { lookup }, attempts: 5, retryDelay: 5 });
    expect(asked).toEqual(['rabbit.example', 'rabbit.example', 'rabbit.example']);
  });

  test('each has parameters of its own, also its login', async () => {
    const errors: Error[] = [];
    const error = await rejection(
      connect({
        endpoints: [
          { host: '127.0.0.1', port: goodPort(), username: 'guest', password: secret },
          { host: '127.0.0.1', port: deadPort },
        ],
      }),
    );
    errors.push(error);
    // The refusal of the login says more than that the second is not there.
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(holdsSecret(everythingShown(errors))).toBe(false);
    const connection = await opened({
      endpoints: [
        { host: '127.0.0.1', port: goodPort(), username: 'guest', password: 'wrong' },
        { host: '127.0.0.1', port: goodPort(), credentials: () => ({ username: 'guest', password: 'guest' }) },
      ],
    });
    expect(connection.isOpen).toBe(true);
  });

  test('all are dead: `attempts` rounds, then the error of the last', async () => {
    const error = await rejection(
      connect(['amqp://127.0.0.1:1', 'amqp://127.0.0.1:2'], { attempts: 2, retryDelay: 1 }),
    );
    expect(error).toBeInstanceOf(ConnectionRefusedError);
    expect(error.message).toContain('127.0.0.1:2');
  });
});

describe('a round over the endpoints', () => {
  const hosts = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

  /** A transport that notes where to it was to lead, and when, and never gets there. */
  function refusing(): { transport: TransportFactory; attempts: { host: string; at: number }[] } {
    const attempts: { host: string; at: number }[] = [];
    return {
      attempts,
      transport: ({ host }) => {
        attempts.push({ host, at: performance.now() });
        return Promise.reject(new Error('down'));
      },
    };
  }

  test('takes all of them in order, and waits only after the last', async () => {
    const { transport, attempts } = refusing();
    const url = ['amqp://a', 'amqp://b', 'amqp://c'];
    await rejection(connect(url, { transport, attempts: 3, retryDelay: 100 }));
    expect(attempts.map(({ host }) => host).join('')).toBe('abcabcabc');
    const gaps = attempts.slice(1).map(({ at }, index) => at - (attempts[index]?.at ?? 0));
    // Timers of Node may be a millisecond early.
    const waited = gaps.map((gap) => gap >= 98);
    expect(waited).toEqual([false, false, true, false, false, true, false, false]);
  });

  test('shuffled: each round all of them, in an order drawn anew', async () => {
    const { transport, attempts } = refusing();
    const url = hosts.map((host) => `amqp://${host}`);
    await rejection(connect(url, { transport, order: 'shuffled', attempts: 6, retryDelay: 0 }));
    const rounds = Array.from({ length: 6 }, (_, round) =>
      attempts.slice(round * hosts.length, (round + 1) * hosts.length).map(({ host }) => host),
    );
    for (const round of rounds) expect([...round].sort()).toEqual(hosts);
    // That six shuffles of eight are all alike has a chance of 1 in 10^23.
    expect(new Set(rounds.map((round) => round.join(''))).size).toBeGreaterThan(1);
  });
});

describe('a peer that takes its time is given up', () => {
  test('a name that nobody answers for: after connectTimeout', async () => {
    const error = await rejection(connect({ host: 'x.example', tcp: { lookup: () => undefined }, connectTimeout: 60 }));
    expect(error).toBeInstanceOf(ConnectionRefusedError);
    expect(error.cause).toBeInstanceOf(TimeoutError);
    expect(error.message).toContain('connecting to x.example:5672: no answer within 60 ms');
  });

  test('one octet a time: each step is limited as a whole', async () => {
    const timers: NodeJS.Timeout[] = [];
    const slow = await serve({
      onSocket: (socket) => {
        const greeting = Buffer.from([1, 0, 0, 0, 0, 1, 0xf4]);
        let sent = 0;
        timers.push(setInterval(() => socket.write(greeting.subarray(sent, (sent += 1))), 25));
      },
    });
    const error = await rejection(connect({ host: '127.0.0.1', port: slow.port, handshakeTimeout: 150 }));
    timers.forEach(clearInterval);
    expect(error.cause).toBeInstanceOf(TimeoutError);
    expect(error.message).toContain('connection.start');
  });

  test('the whole of one endpoint is limited by bringUpTimeout, and the next is tried', async () => {
    const silent = await serve();
    const error = await rejection(connect({ host: '127.0.0.1', port: silent.port, bringUpTimeout: 70 }));
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ recoverable: true });
    expect(error.cause).toBeInstanceOf(TimeoutError);
    expect(error.message).toMatch(/bringing up 127\.0\.0\.1:\d+: not open within 70 ms .*connection\.start/);
    const { transport } = ScriptedPeer.factory();
    const next = await opened({
      url: [`amqp://127.0.0.1:${String(silent.port)}`, 'amqp://good'],
      bringUpTimeout: 70,
      transport: (endpoint, signal) =>
        endpoint.host === 'good' ? transport(endpoint, signal) : connectTcp(endpoint, signal),
    });
    expect(next.endpoint.host).toBe('good');
  });

  test('a transport of the user’s that never opens: after connectTimeout', async () => {
    const transport: TransportFactory = () => new Promise(() => undefined);
    const error = await rejection(connect({ transport, connectTimeout: 50 }));
    expect(error).toBeInstanceOf(ConnectionRefusedError);
    expect(error.message).toContain('50 ms');
  });

  test('giving up while a credentials function thinks does not wait for it', async () => {
    const { transport } = ScriptedPeer.factory();
    const giveUp = new AbortController();
    let isAsked = false;
    const credentials = (): Promise<never> => {
      isAsked = true;
      return new Promise(() => undefined);
    };
    const since = performance.now();
    const failed = rejection(connect({ transport, credentials, signal: giveUp.signal }));
    await until('the function was asked', () => isAsked);
    giveUp.abort(new Error('enough'));
    expect(await failed).toBeInstanceOf(ConnectionClosedError);
    expect(performance.now() - since).toBeLessThan(5_000);
  });
});
