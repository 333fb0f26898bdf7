/** Connecting, being refused, and closing. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { inspect } from 'node:util';
import {
  AccessRefusedError,
  AuthenticationError,
  connect,
  ConnectionClosedError,
  ConnectionError,
  ConnectionRefusedError,
  ParametersError,
  ProtocolMismatchError,
  TimeoutError,
  WrongStateError,
} from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { rejection, until } from '../../support/waiting.js';

const secret = 'Zebra-4711-secret';

/** Everything that a person or a log could see of an error. */
function everythingShown(error: Error): string {
  return `${error.message} ${error.stack ?? ''} ${inspect(error, { depth: 10, showHidden: true })} ${JSON.stringify(error)}`;
}

describeOnBroker('connecting', (broker) => {
  test('opens a connection, tells what the broker is, and closes twice without harm', async () => {
    const connection = await connect(broker.url, { connectionName: 'test' });
    expect(connection.isOpen).toBe(true);
    expect(connection.epoch).toBe(1);
    expect(connection.serverProperties['product']).toEqual(expect.any(String));
    await Promise.all([connection.close(), connection.close()]);
    await connection.close();
    expect(connection.state).toBe('closed');
    await expect(connection.openChannel()).rejects.toBeInstanceOf(ConnectionClosedError);
  });

  test('a wrong password is an AuthenticationError at once, even with recovery on, and is shown nowhere', async () => {
    const url = new URL(broker.url);
    const parameters = { host: url.hostname, port: Number(url.port), username: 'guest', password: secret };
    const error = await rejection(connect(parameters));
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error).toMatchObject({ replyCode: 403 });
    expect(everythingShown(error)).not.toContain(secret);
  });

  test('an unknown virtual host is an AccessRefusedError that names it', async () => {
    const error = await rejection(connect({ url: broker.url, virtualHost: 'ignored' }).then((open) => open.close()));
    // The URI says nothing of a virtual host, so the parameter counts.
    expect(error).toBeInstanceOf(AccessRefusedError);
    expect(error.message).toContain('"ignored"');
  });

  test('several endpoints are tried in turn within a round', async () => {
    const connection = await connect(['amqp://127.0.0.1:1', broker.url]);
    expect(connection.isOpen).toBe(true);
    await connection.close();
  });

  test('a connection outlives its heartbeat time-out while nothing happens', async () => {
    const connection = await connect(broker.url, { heartbeat: 1 });
    let losses = 0;
    connection.on('lost', () => (losses += 1));
    const channel = await connection.openChannel();
    await new Promise((resolve) => setTimeout(resolve, 3_200));
    expect(losses).toBe(0);
    expect(channel.isOpen).toBe(true);
    await connection.close();
  });

  test('the number of channels is bounded, and the error says so', async () => {
    const connection = await connect(broker.url, { channelMax: 2 });
    await connection.openChannel();
    const second = await connection.openChannel();
    await expect(connection.openChannel()).rejects.toBeInstanceOf(WrongStateError);
    await second.close();
    await connection.openChannel();
    await connection.close();
  });

  test('credentials may come from a function, asked at each connect', async () => {
    const url = new URL(broker.url);
    let asked = 0;
    const credentials = (): Promise<{ username: string; password: string }> => {
      asked += 1;
      return Promise.resolve({ username: 'guest', password: 'guest' });
    };
    const connection = await connect({ host: url.hostname, port: Number(url.port), credentials });
    expect(asked).toBe(1);
    await connection.close();
  });
});

describe('connecting to what is no broker', () => {
  const sockets = new Set<Socket>();
  let server: Server | undefined;

  async function serve(onConnection: (socket: Socket) => void): Promise<string> {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      onConnection(socket);
    });
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    return `amqp://guest:${secret}@127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  }

  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    server?.close();
  });

  test('nobody listens: ConnectionRefusedError that names the endpoint', async () => {
    const error = await rejection(connect(`amqp://guest:${secret}@127.0.0.1:1`));
    expect(error).toBeInstanceOf(ConnectionRefusedError);
    expect(error.message).toContain('127.0.0.1:1');
    expect(everythingShown(error)).not.toContain(secret);
  });

  test('a server that accepts and stays silent: an error that names the step and the limit, in time', async () => {
    const url = await serve((socket) => socket.resume());
    const error = await rejection(connect(url, { handshakeTimeout: 150 }));
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error.cause).toBeInstanceOf(TimeoutError);
    expect(error.message).toContain('connection.start');
    expect(error.message).toContain('150 ms');
    await until('the socket is closed', () => [...sockets].every((socket) => socket.destroyed || socket.readableEnded));
  });

  test('a server that speaks something else: ProtocolMismatchError', async () => {
    const url = await serve((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect(await rejection(connect(url))).toBeInstanceOf(ProtocolMismatchError);
  });

  test('a server that hangs up: ConnectionLostError that names the step', async () => {
    const url = await serve((socket) => socket.end());
    const error = await rejection(connect(url));
    expect(error.message).toContain('connection.start');
  });

  test('attempts asks for more rounds, and tells of each', async () => {
    const url = await serve((socket) => socket.destroy());
    await expect(connect(url, { attempts: 3, retryDelay: 10 })).rejects.toBeInstanceOf(ConnectionError);
    expect(sockets.size).toBe(3);
  });
});

describe('wrong parameters', () => {
  test('all faults are named at once, before anything is opened', async () => {
    const error = await rejection(
      connect('amqp://guest:guest@localhost:99999/a/b?heartbeat=no&colour=red', {
        frameMax: 10,
        // @ts-expect-error an unknown parameter, as JavaScript users may pass it
        hearbeat: 3,
      }),
    );
    expect(error).toBeInstanceOf(ParametersError);
    const faults = error instanceof ParametersError ? error.faults : [];
    for (const word of ['port', 'virtual host', 'heartbeat', '"colour"', 'frameMax', 'hearbeat: unknown parameter']) {
      expect(faults.join('\n')).toContain(word);
    }
  });

  test.each(['http://localhost', 'localhost', 'amqp//localhost', `amqp://user:${secret}@pass@host`, ''])(
    'a bad URI (%#) is a ParametersError that does not repeat it',
    async (url) => {
      const error = await rejection(connect(url));
      expect(error).toBeInstanceOf(ParametersError);
      expect(everythingShown(error)).not.toContain(secret);
    },
  );
});
