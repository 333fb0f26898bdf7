/** Logging in: each mechanism, the ways to give credentials, and renewing them. */
import { describe, expect, jest, test } from '@jest/globals';
import {
  ArgumentError,
  AuthenticationError,
  connect,
  ConnectionClosedByBrokerError,
  ConnectionClosedError,
  ConnectionError,
  PlaintextLoginError,
  streamTransport,
  TimeoutError,
  type Connection,
  type ConnectionParameters,
  type CredentialsSource,
} from 'leveret/amqp';
import { connect as connectSocket } from 'node:net';
import { once } from 'node:events';
import { ByteReader, readTable } from '../../../lib/amqp/protocol/index.js';
import { describeOnBroker, describeOnRabbitmq } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { describeOnRabbitmqTls } from '../../support/certificates.js';
import { politeScript, ScriptedPeer, type Script } from '../../support/scripted-peer.js';
import { everythingShown, holdsSecret, secret } from '../../support/secrets.js';
import { rejection, until } from '../../support/waiting.js';

const open: Connection[] = [];

async function opened(parameters: ConnectionParameters): Promise<Connection> {
  const connection = await connect(parameters);
  open.push(connection);
  return connection;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((connection) => connection.close()));
});

/** Host and port of a URL, without its login. */
function addressOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

describeOnBroker('logging in', (broker) => {
  test.each<[string, CredentialsSource]>([
    ['PLAIN', { username: 'guest', password: 'guest', mechanism: 'PLAIN' }],
    ['AMQPLAIN', { username: 'guest', password: 'guest', mechanism: 'AMQPLAIN' }],
    ['a function', () => Promise.resolve({ username: 'guest', password: 'guest', mechanism: 'AMQPLAIN' })],
    ['a mechanism of one’s own', { mechanism: 'PLAIN', response: () => Buffer.from('\0guest\0guest') }],
  ])('%s', async (_name, credentials) => {
    const connection = await opened({ ...addressOf(broker.url), credentials });
    expect(connection.isOpen).toBe(true);
  });

  test.each(['plain', 'AMQPLAIN', 'external&auth_mechanism=amqplain'])('the URI’s auth_mechanism=%s', async (name) => {
    const { host, port } = addressOf(broker.url);
    const connection = await opened({ url: `amqp://guest:guest@${host}:${String(port)}?auth_mechanism=${name}` });
    expect(connection.isOpen).toBe(true);
  });

  test.each(['PLAIN', 'AMQPLAIN'] as const)('a wrong password by %s is an AuthenticationError', async (mechanism) => {
    const credentials = { username: 'guest', password: secret, mechanism };
    const error = await rejection(connect({ ...addressOf(broker.url), credentials }));
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error).toMatchObject({ replyCode: 403, recoverable: false });
    expect(holdsSecret(everythingShown(error))).toBe(false);
  });

  test('with `attempts` a wrong password is tried again, and heals when the function gives the right one', async () => {
    let asked = 0;
    const credentials = (): { username: string; password: string } => {
      asked += 1;
      return { username: 'guest', password: asked < 3 ? secret : 'guest' };
    };
    await opened({ ...addressOf(broker.url), credentials, attempts: 5, retryDelay: 10 });
    expect(asked).toBe(3);
  });

  test('a mechanism that the broker does not offer: AuthenticationError that names both sides', async () => {
    const response = jest.fn(() => secret);
    const credentials = { mechanism: 'SCRAM-SHA-256', response };
    const error = await rejection(connect({ ...addressOf(broker.url), credentials }));
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error.message).toMatch(/SCRAM-SHA-256.*offers.*PLAIN/);
    expect(response).not.toHaveBeenCalled();
  });

  test('updateSecret is answered, and the next reconnect uses the new secret', async () => {
    const cuts = new Cuts();
    const parameters = { ...addressOf(broker.url), username: 'guest', password: 'guest', transport: cuts.transport };
    const connection = await opened({ ...parameters, recovery: { initialDelay: 1, maxDelay: 5 } });
    await connection.updateSecret('guest', 'nothing changes');
    const recovered = new Promise((resolve) => connection.on('recovered', resolve));
    cuts.cutAll();
    await recovered;
    // RabbitMQ takes any secret for a user with a password; the next login shows what it is worth.
    await connection.updateSecret(secret, 'wrong');
    const refused = new Promise<Error>((resolve) => {
      connection.on('reconnecting', ({ attempt, cause }) => {
        if (attempt > 1) resolve(cause);
      });
    });
    cuts.cutAll();
    expect(await refused).toBeInstanceOf(AuthenticationError);
    const healed = new Promise((resolve) => connection.on('recovered', resolve));
    // While the connection is away it renews what the next login uses.
    await connection.updateSecret(Buffer.from('guest'));
    await healed;
    expect(holdsSecret(everythingShown(connection))).toBe(false);
  });

  test('after updateSecret the connection goes on working', async () => {
    const connection = await opened({ url: broker.url });
    await Promise.all([connection.updateSecret('guest'), connection.updateSecret(Buffer.from('guest'), 'again')]);
    const channel = await connection.openChannel();
    expect((await channel.queueDeclare('', { exclusive: true })).messageCount).toBe(0);
  });
});

describeOnRabbitmq('a login with a token longer than 4 KB', (broker) => {
  test('is taken by RabbitMQ from 4.1 on, and is an error that says why before', async () => {
    const token = secret.repeat(300);
    // The password is wrong; what counts is whether the broker reads it at all.
    const error = await rejection(connect({ ...addressOf(broker.url), password: token, handshakeTimeout: 5_000 }));
    const version = (await opened({ url: broker.url })).serverProperties['version'] as string;
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major * 100 + minor >= 401) expect(error).toBeInstanceOf(AuthenticationError);
    else expect(error.message).toMatch(/connection\.start-ok.*4096/);
    expect(holdsSecret(everythingShown(error))).toBe(false);
  });
});

describeOnRabbitmqTls('logging in by a mechanism with a challenge', (url, { ca }) => {
  const { host, port } = addressOf(url);

  test('RabbitMQ’s RABBIT-CR-DEMO', async () => {
    const challenges: string[] = [];
    const credentials = {
      mechanism: 'RABBIT-CR-DEMO',
      response: () => Promise.resolve('guest'),
      challenge: (challenge: Buffer) => {
        challenges.push(challenge.toString());
        return 'My password is guest';
      },
    };
    await opened({ host, port, tls: { ca }, credentials });
    expect(challenges).toEqual(['Please tell me your password']);
  });

  test('a wrong answer is an AuthenticationError that does not repeat it', async () => {
    const credentials = {
      mechanism: 'RABBIT-CR-DEMO',
      response: () => 'guest',
      challenge: () => `My password is ${secret}`,
    };
    const error = await rejection(connect({ host, port, tls: { ca }, credentials }));
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(holdsSecret(everythingShown(error))).toBe(false);
  });
});

/** A peer that offers these mechanisms; `secure` is what it asks before connection.tune. */
function peerOffering(mechanisms: string, secure: readonly string[] = []): ReturnType<typeof ScriptedPeer.factory> {
  const left = [...secure];
  const script: Script = (peer, channel, method) => {
    const isLogin = method.name === 'connection.start-ok' || method.name === 'connection.secure-ok';
    const challenge = isLogin ? left.shift() : undefined;
    if (challenge !== undefined) peer.send(0, 'connection.secure', { challenge: Buffer.from(challenge) });
    else politeScript(peer, channel, isLogin ? ({ ...method, name: 'connection.start-ok' } as typeof method) : method);
  };
  return ScriptedPeer.factory(script, { mechanisms });
}

describe('the login on the wire', () => {
  async function startOk(mechanisms: string, parameters: ConnectionParameters): Promise<[string, Buffer]> {
    const { transport, peers } = peerOffering(mechanisms);
    await opened({ transport, ...parameters });
    const method = peers[0]?.heard[0];
    if (method?.name !== 'connection.start-ok') throw new Error('no connection.start-ok was heard');
    return [method.fields.mechanism, method.fields.response];
  }
  const login = { username: 'häse', password: 'pässword' };

  test('PLAIN is an empty identity, the user and the password, in UTF-8', async () => {
    expect(await startOk('AMQPLAIN PLAIN', login)).toEqual(['PLAIN', Buffer.from('\0häse\0pässword')]);
  });

  test('AMQPLAIN is a field table without its length, used where the broker offers nothing else', async () => {
    const [mechanism, response] = await startOk('AMQPLAIN', login);
    expect(mechanism).toBe('AMQPLAIN');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(response.length);
    expect(readTable(new ByteReader(Buffer.concat([length, response])))).toEqual({
      LOGIN: 'häse',
      PASSWORD: 'pässword',
    });
  });

  test('EXTERNAL is empty', async () => {
    const parameters = { credentials: { mechanism: 'EXTERNAL' } as const };
    expect(await startOk('PLAIN EXTERNAL', parameters)).toEqual(['EXTERNAL', Buffer.alloc(0)]);
    const uri = { url: 'amqps://broker?auth_mechanism=external&auth_mechanism=plain' };
    expect(await startOk('PLAIN EXTERNAL', uri)).toEqual(['EXTERNAL', Buffer.alloc(0)]);
  });

  test('no mechanism in common: nothing of the credentials goes out', async () => {
    const { transport, peers } = peerOffering('GSSAPI');
    const error = await rejection(connect({ transport, username: 'guest', password: secret }));
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error.message).toMatch(/PLAIN or AMQPLAIN.*GSSAPI/);
    expect(peers[0]?.heard).toEqual([]);
  });

  test('challenges may come several times, each answered in its turn', async () => {
    const { transport, peers } = peerOffering('ROUNDS', ['one', 'two', 'three']);
    const challenge = (bytes: Buffer): string => `${bytes.toString()}!`;
    await opened({ transport, credentials: { mechanism: 'ROUNDS', response: () => 'zero', challenge } });
    const answers = peers[0]?.heard.flatMap((method) =>
      method.name === 'connection.secure-ok' ? [method.fields.response.toString()] : [],
    );
    expect(answers).toEqual(['one!', 'two!', 'three!']);
  });

  test('a challenge where the mechanism has no second step is an AuthenticationError', async () => {
    const { transport } = peerOffering('PLAIN', ['who are you?']);
    expect(await rejection(connect({ transport }))).toBeInstanceOf(AuthenticationError);
  });

  test.each<[string, ConnectionParameters['credentials'], string]>([
    ['the function', () => new Promise<never>(() => undefined), 'the credentials function'],
    [
      'the response',
      { mechanism: 'X', response: () => new Promise<never>(() => undefined) },
      'the first response of X',
    ],
    [
      'the answer to a challenge',
      { mechanism: 'X', response: () => '', challenge: () => new Promise<never>(() => undefined) },
      'the answer to a challenge of X',
    ],
  ])('%s that never comes is given up after handshakeTimeout', async (_name, credentials, step) => {
    const { transport } = peerOffering('X PLAIN', ['?']);
    const error = await rejection(connect({ transport, credentials, handshakeTimeout: 60 }));
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error.cause).toBeInstanceOf(TimeoutError);
    expect(error.message).toContain(step);
  });

  test('a function that fails is an error that may heal; one that gives nonsense is not', async () => {
    const { transport } = peerOffering('PLAIN');
    const failing = (): never => {
      throw new Error('the token server is away');
    };
    const error = await rejection(connect({ transport, credentials: failing }));
    expect(error).toMatchObject({ recoverable: true });
    expect(error.message).toContain('the token server is away');
    const nonsense = (() => ({ username: 5 })) as unknown as () => { username: string; password: string };
    expect(await rejection(connect({ transport, credentials: nonsense }))).toBeInstanceOf(AuthenticationError);
  });

  test('connection.secure without end is bounded by bringUpTimeout', async () => {
    const script: Script = (peer, channel, method) => {
      if (method.name === 'connection.start-ok' || method.name === 'connection.secure-ok') {
        setTimeout(() => {
          peer.send(0, 'connection.secure', { challenge: Buffer.from('more') });
        }, 5);
      } else politeScript(peer, channel, method);
    };
    const { transport } = ScriptedPeer.factory(script, { mechanisms: 'X' });
    const credentials = { mechanism: 'X', response: () => '', challenge: () => '' };
    const error = await rejection(connect({ transport, credentials, bringUpTimeout: 120 }));
    expect(error.cause).toBeInstanceOf(TimeoutError);
    expect(error.message).toContain('not open within 120 ms');
  });
});

describe('updateSecret', () => {
  const withUpdates =
    (answer: Script): Script =>
    (peer, channel, method) => {
      if (method.name === 'connection.update-secret') answer(peer, channel, method);
      else politeScript(peer, channel, method);
    };
  const ok: Script = (peer) => {
    peer.send(0, 'connection.update-secret-ok', {});
  };
  /** The response of the last login that the peers heard. */
  function lastLogin(peers: readonly ScriptedPeer[]): string {
    const method = peers.at(-1)?.heard[0];
    return method?.name === 'connection.start-ok' ? method.fields.response.toString() : '';
  }
  const quick = { recovery: { initialDelay: 1, maxDelay: 2 } };

  async function recovery(connection: Connection, peers: readonly ScriptedPeer[]): Promise<void> {
    const recovered = new Promise((resolve) => connection.on('recovered', resolve));
    peers.at(-1)?.hangUp();
    await recovered;
  }

  test('carries secret and reason, and renews the password of the URI for endpoints with the same user', async () => {
    const { transport, peers } = ScriptedPeer.factory(withUpdates(ok));
    const url = ['amqp://hare:old@a', 'amqp://hare:old@b'];
    const connection = await opened({ url, transport, ...quick });
    await connection.updateSecret('new', 'rotation');
    expect(peers[0]?.heard.at(-1)?.fields).toEqual({ newSecret: Buffer.from('new'), reason: 'rotation' });
    await recovery(connection, peers);
    expect(lastLogin(peers)).toBe('\0hare\0new');
  });

  test('lets the login of another user alone', async () => {
    let first = true;
    const { transport, peers } = ScriptedPeer.factory(withUpdates(ok));
    const connection = await opened({
      url: ['amqp://hare:one@a', 'amqp://fox:two@b'],
      transport: async (endpoint, signal) => {
        const isDown = endpoint.host === 'a' && !first;
        first = false;
        if (isDown) throw new Error('down');
        return transport(endpoint, signal);
      },
      ...quick,
    });
    await connection.updateSecret('new');
    await recovery(connection, peers);
    expect(lastLogin(peers)).toBe('\0fox\0two');
  });

  test('a refusal by the broker closes the connection, rejects, and renews nothing', async () => {
    const refuse: Script = (peer) => {
      const replyText = 'NOT_ALLOWED - New secret was refused by one of the backends';
      peer.send(0, 'connection.close', { replyCode: 530, replyText, classId: 10, methodId: 70 });
    };
    const { transport, peers } = ScriptedPeer.factory(withUpdates(refuse));
    const connection = await opened({ transport, username: 'hare', password: 'old', ...quick });
    const recovered = new Promise((resolve) => connection.on('recovered', resolve));
    const error = await rejection(connection.updateSecret(secret));
    expect(error).toBeInstanceOf(ConnectionClosedByBrokerError);
    expect(error).toMatchObject({ replyCode: 530 });
    expect(holdsSecret(everythingShown(error))).toBe(false);
    await recovered;
    expect(lastLogin(peers)).toBe('\0hare\0old');
  });

  test('no answer: TimeoutError; a late one is not taken for the answer to the next', async () => {
    const { transport, peers } = ScriptedPeer.factory(withUpdates(() => undefined));
    const connection = await opened({ transport, methodTimeout: 50 });
    const error = await rejection(connection.updateSecret('one'));
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ step: 'connection.update-secret-ok', limit: 50 });
    const second = connection.updateSecret('two');
    let isDone = false;
    void second.then(() => (isDone = true));
    await until('the second was sent', () => peers[0]?.heard.at(-1)?.name === 'connection.update-secret');
    await until('the second was heard', () => {
      const secrets = peers[0]?.heard.filter(({ name }) => name === 'connection.update-secret') ?? [];
      return secrets.length === 2;
    });
    peers[0]?.send(0, 'connection.update-secret-ok', {});
    await new Promise(setImmediate);
    expect(isDone).toBe(false);
    peers[0]?.send(0, 'connection.update-secret-ok', {});
    await second;
    expect(connection.isOpen).toBe(true);
  });

  test('lost on the way: it resolves, and the next login uses the new secret', async () => {
    const { transport, peers } = ScriptedPeer.factory(
      withUpdates((peer) => {
        peer.hangUp();
      }),
    );
    const connection = await opened({ transport, username: 'hare', password: 'old', ...quick });
    const recovered = new Promise((resolve) => connection.on('recovered', resolve));
    await connection.updateSecret('new');
    await recovered;
    expect(lastLogin(peers)).toBe('\0hare\0new');
  });

  test('bad arguments are an ArgumentError that does not repeat them; nothing is sent', async () => {
    const { transport, peers } = ScriptedPeer.factory(withUpdates(ok));
    const connection = await opened({ transport });
    const before = peers[0]?.heard.length;
    const bad = 5 as unknown as string;
    const long = secret.repeat(100_000);
    for (const call of [connection.updateSecret(bad), connection.updateSecret('x', 'y'.repeat(256))]) {
      expect(await rejection(call)).toBeInstanceOf(ArgumentError);
    }
    const error = await rejection(connection.updateSecret(long));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(holdsSecret(everythingShown(error))).toBe(false);
    expect(peers[0]?.heard.length).toBe(before);
    expect(connection.isOpen).toBe(true);
    await connection.close();
    expect(await rejection(connection.updateSecret('x'))).toBeInstanceOf(ConnectionClosedError);
  });
});

describeOnBroker('a login over a transport that others can read', (broker) => {
  /** A TCP socket, of which nothing says that it stays on this machine. */
  const transport: NonNullable<ConnectionParameters['transport']> = async ({ host, port }) => {
    const socket = connectSocket(port, host);
    sockets.push(socket);
    await once(socket, 'connect');
    return streamTransport(socket, { description: 'far.example:5672' });
  };
  const sockets: { destroy(): unknown }[] = [];

  async function warningsOf(run: () => Promise<void>): Promise<unknown[][]> {
    const emitted = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    try {
      await run();
      return emitted.mock.calls.map((call) => [...call]);
    } finally {
      emitted.mockRestore();
    }
  }

  test('warns once per connection, over all of its lives', async () => {
    const warnings = await warningsOf(async () => {
      const connection = await opened({ url: broker.url, transport, recovery: { initialDelay: 1 } });
      const recovered = new Promise((resolve) => connection.on('recovered', resolve));
      sockets.at(-1)?.destroy();
      await recovered;
    });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toEqual([expect.stringContaining('far.example:5672'), 'LeveretWarning']);
    expect(String(warnings[0])).not.toContain('guest');
  });

  test('is refused before a credential is sent, where the user says so', async () => {
    const error = await rejection(connect({ url: broker.url, transport, plaintext: 'refuse' }));
    expect(error).toBeInstanceOf(PlaintextLoginError);
    expect(error.message).toContain('far.example:5672');
    expect(error).toMatchObject({ recoverable: false });
  });

  test('is silent where the user says so, and on loopback', async () => {
    const warnings = await warningsOf(async () => {
      await opened({ url: broker.url, transport, plaintext: 'allow' });
      await opened({ url: broker.url, plaintext: 'refuse' });
    });
    expect(warnings).toEqual([]);
  });
});
