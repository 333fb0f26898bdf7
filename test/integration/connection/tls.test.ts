/** TLS: what holds is used, what does not is refused in plain words, and no credential is given away. */
import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import type { TlsOptions as TlsServerOptions } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import {
  connect,
  connectTcp,
  ConnectionError,
  ConnectionRefusedError,
  ParametersError,
  PlaintextLoginError,
  ProtocolMismatchError,
  streamTransport,
  TimeoutError,
  TlsError,
  type ConnectionParameters,
  type TlsOptions,
} from 'leveret/amqp';
import { EmbeddedBroker } from 'leveret/broker';
import { describeOnRabbitmqTls, describeWithCertificates } from '../../support/certificates.js';
import { RecordingServer, type RecordingServerOptions } from '../../support/recording-server.js';
import { everythingShown, holdsSecret, secret } from '../../support/secrets.js';
import { rejection, until } from '../../support/waiting.js';

let server: RecordingServer | undefined;
let broker: EmbeddedBroker | undefined;

async function serve(options: RecordingServerOptions): Promise<RecordingServer> {
  server = await RecordingServer.start(options);
  return server;
}

async function stopAll(): Promise<void> {
  await server?.stop();
  await broker?.stop();
  server = broker = undefined;
}

afterEach(stopAll);

/** Port of a broker on this machine. */
async function startBroker(): Promise<number> {
  broker = await EmbeddedBroker.start({ port: 0 });
  return Number(new URL(broker.url).port);
}

/** Tries to log in with the password that stands out; nothing of it may have gone out or be shown. */
async function refusal(tls: TlsOptions | true, more: ConnectionParameters = {}): Promise<Error> {
  const port = server?.port ?? 0;
  const error = await rejection(connect({ host: '127.0.0.1', port, password: secret, tls, ...more }));
  expect(holdsSecret(server?.received ?? '')).toBe(false);
  expect(holdsSecret(everythingShown(error))).toBe(false);
  return error;
}

describeWithCertificates('a TLS connection is refused clearly, and no credential is sent,', (certificates) => {
  const { ca } = certificates;
  const client = certificates.pair('client');
  const stranger = certificates.pair('stranger');
  const good = certificates.pair('server');

  const faults: [string, TlsServerOptions, TlsOptions, RegExp][] = [
    ['a certificate for another host', certificates.pair('wrong-host'), { ca }, /for another host: .*127\.0\.0\.1/],
    ['a certificate for another name', certificates.pair('wrong-host'), { ca, servername: 'localhost' }, /localhost/],
    ['an expired certificate', certificates.pair('expired'), { ca }, /has expired/],
    ['a self-signed certificate', certificates.pair('self-signed'), { ca }, /is self-signed/],
    ['a certificate by an unknown authority', stranger, { ca }, /authority that is not known/],
    ['a good certificate that we were not told of', good, {}, /authority that is not known/],
    [
      'a broker with TLS 1.1 only',
      { ...good, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      { ca },
      /none of the TLS versions/,
    ],
    [
      'a client that is told to take TLS 1.3 alone, and a broker without',
      { ...good, maxVersion: 'TLSv1.2' },
      { ca, minVersion: 'TLSv1.3' },
      /none of the TLS versions/,
    ],
    [
      'no cipher in common',
      { ...good, maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
      { ca, ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' },
      /no TLS version or cipher in common/,
    ],
    ['a missing client certificate', { ...good, ca, requestCert: true }, { ca }, /wants a client certificate/],
    [
      'a missing client certificate, TLS 1.2',
      { ...good, ca, requestCert: true, maxVersion: 'TLSv1.2' },
      { ca },
      /wants a client certificate/,
    ],
    [
      'a client certificate by an authority that the broker does not know, TLS 1.2',
      { ...good, ca, requestCert: true, maxVersion: 'TLSv1.2' },
      { ca, ...stranger },
      /hung up in the TLS handshake \(a broker that does not accept the client certificate/,
    ],
  ];

  test.each(faults)('%s: TlsError', async (_fault, serverOptions, tls, words) => {
    await serve({ tls: serverOptions });
    const error = await refusal(tls);
    expect(error).toBeInstanceOf(TlsError);
    expect(error.message).toMatch(words);
    expect(error.message).toContain(`127.0.0.1:${String(server?.port)}`);
  });

  test('a client certificate that the broker does not know, TLS 1.3: an error that names the step', async () => {
    // Node as a server hangs up without an alert, after the client's side of the handshake is through.
    await serve({ tls: { ...good, ca, requestCert: true } });
    const error = await refusal({ ca, ...stranger });
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error.message).toMatch(/connection\.start|TLS/);
  });

  test('TLS towards a port that speaks plain AMQP: TlsError that asks whether it is the plain port', async () => {
    await serve({ broker: await startBroker() });
    const error = await refusal({ ca });
    expect(error).toBeInstanceOf(TlsError);
    expect(error.message).toContain('is this the plain port?');
  });

  test('amqps never falls back: after a refusal nobody tries again without TLS', async () => {
    await serve({});
    const failed = rejection(
      connect(`amqps://guest:${secret}@127.0.0.1:${String(server?.port)}`, {
        tlsTimeout: 60,
        attempts: 2,
        retryDelay: 1,
      }),
    );
    expect(await failed).toBeInstanceOf(ConnectionRefusedError);
    expect(server?.connections).toBe(2);
    const { received } = server ?? { received: Buffer.alloc(0) };
    expect(received.includes('AMQP')).toBe(false);
    // The first octet of a TLS handshake record, and the only kind that came.
    expect(received[0]).toBe(0x16);
  });

  test('a server that accepts and stays silent: an error that names the TLS handshake and its limit', async () => {
    await serve({});
    const error = await refusal({ ca }, { tlsTimeout: 80 });
    expect(error).toBeInstanceOf(ConnectionRefusedError);
    expect(error.cause).toBeInstanceOf(TimeoutError);
    expect(error.message).toContain('TLS handshake');
    expect(error.message).toContain('80 ms');
    await until('the socket is closed', () => server?.openConnections === 0);
  });

  test('plain AMQP towards a TLS port that answers with an alert: ProtocolMismatchError that says so', async () => {
    const alert = Buffer.from([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x0a]);
    await serve({ onSocket: (socket: Socket) => socket.end(alert) });
    const error = await rejection(connect(`amqp://guest:${secret}@127.0.0.1:${String(server?.port)}`));
    expect(error).toBeInstanceOf(ProtocolMismatchError);
    expect(error.message).toContain('TLS port');
    expect(holdsSecret(server?.received ?? '')).toBe(false);
  });

  test('TLS options that cannot hold are named before anything is opened, all at once', async () => {
    // Options that Node does not have, or not here, as JavaScript users may pass them.
    const tls = { cert: good.cert, key: client.key, rejectUnauthorised: false, host: 'elsewhere', passphrase: secret };
    const error = await rejection(connect({ tls, heartbeat: -1 }));
    expect(error).toBeInstanceOf(ParametersError);
    for (const word of ['tls.rejectUnauthorised: unknown', 'tls.host', 'heartbeat']) {
      expect(error.message).toContain(word);
    }
    const mismatch = await rejection(connect({ tls: { cert: good.cert, key: client.key } }));
    expect(mismatch.message).toMatch(/tls: key.values.mismatch/i);
    expect(holdsSecret(everythingShown(error))).toBe(false);
  });
});

describeWithCertificates('a TLS connection to the embedded broker', (certificates) => {
  const { ca } = certificates;

  async function connectedTo(tls: TlsServerOptions, parameters: ConnectionParameters): Promise<string> {
    await serve({ tls, broker: await startBroker() });
    const connection = await connect({ host: '127.0.0.1', port: server?.port, ...parameters });
    const { state } = connection;
    await connection.close();
    await stopAll();
    return state;
  }

  test('chain and host are verified against the authority that is given', async () => {
    expect(await connectedTo(certificates.pair('server'), { tls: { ca } })).toBe('open');
  });

  test('the host is sent as server name (SNI), an address is not', async () => {
    const asked: string[] = [];
    const SNICallback = (name: string, done: (error: null) => void): void => {
      asked.push(name);
      done(null);
    };
    const tls = { ...certificates.pair('server'), SNICallback };
    await connectedTo(tls, { tls: { ca }, host: 'localhost', tcp: { family: 4 } });
    await connectedTo(tls, { tls: { ca } });
    expect(asked).toEqual(['localhost']);
  });

  test('verification is off only where the user says so', async () => {
    expect(await connectedTo(certificates.pair('expired'), { tls: { rejectUnauthorized: false } })).toBe('open');
  });

  test('TLS 1.2 is taken, TLS 1.1 only where the user says so', async () => {
    expect(await connectedTo({ ...certificates.pair('server'), maxVersion: 'TLSv1.2' }, { tls: { ca } })).toBe('open');
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    expect(await connectedTo({ ...certificates.pair('server'), ...old }, { tls: { ca, ...old } })).toBe('open');
  });
});

describeOnRabbitmqTls('a TLS connection', (url, certificates) => {
  const { ca } = certificates;
  const { hostname, port } = new URL(url);
  const address = { host: hostname, port: Number(port) };

  test('carries a whole conversation, with the options beside the URI', async () => {
    const connection = await connect(url, { tls: { ca }, plaintext: 'refuse' });
    const channel = await connection.openChannel({ confirm: true });
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    const body = Buffer.alloc(300_000, 'x');
    await channel.publish('', queue, body);
    expect((await channel.basicGet(queue))?.body.equals(body)).toBe(true);
    await connection.close();
  });

  test('takes everything from the query of the URI: cacertfile, certfile, keyfile, verify, auth_mechanism', async () => {
    const file = (name: string): string => encodeURIComponent(certificates.path(name));
    const query =
      `cacertfile=${file('ca.pem')}&certfile=${file('client.pem')}&keyfile=${file('client.key')}` +
      '&verify=verify_peer&server_name_indication=localhost&auth_mechanism=external';
    const connection = await connect(`amqps://${hostname}:${port}?${query}`);
    expect(connection.isOpen).toBe(true);
    await connection.close();
  });

  test('a client certificate by an authority that the broker does not know: TlsError', async () => {
    const error = await rejection(connect({ ...address, tls: { ca, ...certificates.pair('stranger') } }));
    expect(error).toBeInstanceOf(TlsError);
    expect(error.message).toContain('does not know the authority of the client certificate');
  });

  test('an authority that is not the broker’s: TlsError', async () => {
    const other = certificates.pair('self-signed').cert;
    expect(await rejection(connect(url, { tls: { ca: other } }))).toBeInstanceOf(TlsError);
  });

  test('plain AMQP towards the TLS port: ProtocolMismatchError that says so', async () => {
    const error = await rejection(connect({ ...address, password: secret }));
    expect(error).toBeInstanceOf(ProtocolMismatchError);
    expect(error.message).toContain('TLS port');
    expect(holdsSecret(everythingShown(error))).toBe(false);
  });

  test('TLS towards the plain port: TlsError that asks whether it is', async () => {
    const plain = new URL(process.env['AMQP_URL'] ?? '');
    const error = await rejection(connect({ host: plain.hostname, port: Number(plain.port), tls: { ca } }));
    expect(error).toBeInstanceOf(TlsError);
    expect(error.message).toContain('is this the plain port?');
  });

  test('comes back over TLS after a loss', async () => {
    const open: { destroy(): void }[] = [];
    const connection = await connect(url, {
      tls: { ca },
      recovery: { initialDelay: 1 },
      transport: async (endpoint, signal) => {
        const transport = await connectTcp(endpoint, signal, {}, { ca });
        open.push(transport);
        return transport;
      },
    });
    const recovered = new Promise((resolve) => connection.on('recovered', resolve));
    open[0]?.destroy();
    await recovered;
    expect(connection.epoch).toBe(2);
    await connection.close();
  });
});

describe('an amqps endpoint over a transport of the user’s', () => {
  test('that does not say it is private gets no login, unless that is allowed', async () => {
    const port = await startBroker();
    const options: ConnectionParameters = {
      url: `amqps://guest:guest@127.0.0.1:${String(port)}`,
      transport: async (endpoint) => {
        const socket = connectSocket(endpoint.port, endpoint.host);
        await once(socket, 'connect');
        return streamTransport(socket, { description: 'a way that others may read' });
      },
    };
    expect(await rejection(connect(options))).toBeInstanceOf(PlaintextLoginError);
    const connection = await connect({ ...options, plaintext: 'allow' });
    await connection.close();
  });
});
