import { AmqpClient, AmqpServer, ConfigurationError } from 'leveret';
import { resolveTransport } from '../../../lib/nest/transport/options.js';
import { toOutgoingOptions } from '../../../lib/nest/transport/outgoing-options.js';

describe('the options of the transport', () => {
  test('every unknown or wrong one is named', () => {
    const make = (): unknown =>
      new AmqpServer({
        queue: 'q',
        prefetchcount: 3,
        noAck: 'yes',
        drainTimeout: -1,
        __proto__: { ignored: 1 },
      } as never);
    expect(make).toThrow(ConfigurationError);
    for (const name of ['prefetchcount', 'noAck', 'drainTimeout']) expect(make).toThrow(name);
  });

  test('a client must know where to send', () => {
    expect(() => new AmqpClient({})).toThrow('queue');
    expect(() => new AmqpClient({ wildcards: true })).toThrow('exchange');
    expect(() => new AmqpClient({ exchange: 'x', exchangeType: 'fanout' })).not.toThrow();
  });

  test("the names of Nest's own transport become parameters of the client", () => {
    const { connection } = resolveTransport(
      {
        urls: [
          { protocol: 'amqps', hostname: 'broker', port: 5671, username: 'u', password: 'p', vhost: 'v', heartbeat: 7 },
        ],
        queue: 'q',
        socketOptions: {
          reconnectTimeInSeconds: 3,
          connectionOptions: { ca: 'c', timeout: 4_000 },
          clientProperties: { a: 1 },
        },
      },
      'AmqpServer',
    );
    expect(connection).toMatchObject({
      endpoints: [{ host: 'broker', port: 5671, username: 'u', password: 'p', virtualHost: 'v', tls: true }],
      heartbeat: 7,
      recovery: { initialDelay: 100, maxDelay: 3_000 },
      tls: { ca: 'c' },
      connectTimeout: 4_000,
      clientProperties: { a: 1 },
      connectionName: 'AmqpServer q',
    });
    expect(resolveTransport({ urls: ['amqp://a', 'amqp://b'], queue: 'q' }, 'AmqpClient').connection).toMatchObject({
      url: ['amqp://a', 'amqp://b'],
    });
  });

  test('faults in nested options are named', () => {
    const options = { queue: 'q', urls: [{ hostname: 'h', user: 'u' }], socketOptions: { nonsense: 1 } } as never;
    expect(() => resolveTransport(options, 'AmqpServer')).toThrow(/urls\[0\]\.user.*socketOptions\.nonsense/s);
    const queueOptions = { durabel: true, messageTtl: '5' } as never;
    expect(() => resolveTransport({ queue: 'q', queueOptions }, 'AmqpServer')).toThrow(
      /"queueOptions\.durabel".*"queueOptions\.messageTtl" must be a number/s,
    );
    expect(() => resolveTransport({ url: 'amqp://a', urls: ['amqp://b'], queue: 'q' }, 'AmqpServer')).toThrow('urls');
  });

  test('the start: 30 s unless attempts are said', () => {
    expect(resolveTransport({ queue: 'q' }, 'AmqpServer')).toMatchObject({ startTimeout: 30_000 });
    expect(resolveTransport({ queue: 'q', maxConnectionAttempts: -1 }, 'AmqpServer').startTimeout).toBe(Infinity);
    expect(resolveTransport({ queue: 'q', maxConnectionAttempts: 3 }, 'AmqpServer').connection.attempts).toBe(3);
  });
});

describe('the options of a record', () => {
  test("amqplib's names become properties", () => {
    const given = {
      expiration: 500,
      timestamp: 10,
      deliveryMode: true,
      CC: 'a',
      BCC: ['b'],
      priority: 2,
      headers: { h: 1 },
    };
    expect(toOutgoingOptions({ ...given, correlationId: 'ignored', mandatory: true })).toEqual({
      isMandatory: true,
      properties: {
        expiration: '500',
        timestamp: new Date(10_000),
        deliveryMode: 2,
        priority: 2,
        headers: { h: 1, CC: ['a'], BCC: ['b'] },
      },
    });
  });

  test('unknown ones are an error', () => {
    expect(() => toOutgoingOptions({ header: {} })).toThrow('header');
  });
});
