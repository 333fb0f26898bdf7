/** AMQP URIs, by the examples of RabbitMQ's URI specification and beyond. */
import { parseUri } from '../../../lib/amqp/connection/uri.js';

function parse(uri: string): unknown {
  const faults: string[] = [];
  const parts = parseUri(uri, faults);
  return faults.length > 0 ? faults : parts;
}

describe('AMQP URIs', () => {
  test.each([
    [
      'amqp://user:pass@host:10000/vhost',
      { host: 'host', port: 10_000, tls: false, username: 'user', password: 'pass', virtualHost: 'vhost' },
    ],
    [
      'amqp://user%61:%61pass@ho%61st:10000/v%2fhost',
      { host: 'hoast', port: 10_000, tls: false, username: 'usera', password: 'apass', virtualHost: 'v/host' },
    ],
    ['amqp://', { host: 'localhost', port: 5672, tls: false }],
    ['amqp://:@/', { host: 'localhost', port: 5672, tls: false, username: '', password: '', virtualHost: '' }],
    ['amqp://user@', { host: 'localhost', port: 5672, tls: false, username: 'user' }],
    ['amqp://user:pass@', { host: 'localhost', port: 5672, tls: false, username: 'user', password: 'pass' }],
    ['amqp://host', { host: 'host', port: 5672, tls: false }],
    ['amqp://:10000', { host: 'localhost', port: 10_000, tls: false }],
    ['amqp:///vhost', { host: 'localhost', port: 5672, tls: false, virtualHost: 'vhost' }],
    ['amqp://host/', { host: 'host', port: 5672, tls: false, virtualHost: '' }],
    ['amqp://host/%2f', { host: 'host', port: 5672, tls: false, virtualHost: '/' }],
    ['amqp://[::1]', { host: '::1', port: 5672, tls: false }],
    ['amqp://[::1]:5673/%2F', { host: '::1', port: 5673, tls: false, virtualHost: '/' }],
    ['AMQPS://host', { host: 'host', port: 5671, tls: {} }],
    [
      'amqp://host?heartbeat=15&connection_timeout=3000&channel_max=7&auth_mechanism=PLAIN',
      {
        host: 'host',
        port: 5672,
        tls: false,
        heartbeat: 15,
        connectTimeout: 3000,
        channelMax: 7,
        mechanisms: ['PLAIN'],
      },
    ],
    [
      'amqps://host?auth_mechanism=External&auth_mechanism=amqplain',
      { host: 'host', port: 5671, tls: {}, mechanisms: ['EXTERNAL', 'AMQPLAIN'] },
    ],
    [
      'amqps://host?verify=verify_none&server_name_indication=other',
      { host: 'host', port: 5671, tls: { rejectUnauthorized: false, servername: 'other' } },
    ],
  ])('%s', (uri, parts) => {
    expect(parse(uri)).toEqual(parts);
  });

  test.each([
    ['amqp://host:0', 'port'],
    ['amqp://host:70000', 'port'],
    ['amqp://host:5x', 'port'],
    ['amqp://us%zzer@host', 'user name'],
    ['amqp://host/a/b', '%2F'],
    ['amqp://host?heartbeat=-1', 'heartbeat'],
    ['amqp://host?colour=red', '"colour"'],
    ['amqp://host?auth_mechanism=gssapi', 'auth_mechanism'],
    ['amqp://host?auth_mechanism=constructor', 'auth_mechanism'],
    ['amqp://host?verify=verify_none', 'amqps'],
    ['amqps://host?verify=maybe', 'verify_peer'],
    ['amqps://host?cacertfile=/does/not/exist', 'cacertfile'],
    ['amqp://host?heartbeat=1&heartbeat=2', 'twice'],
    ['amqp://user:12/secret@host', '%2F'],
    ['amqp://user:12?secret@host', '%3F'],
    ['http://host', 'amqp[s]://'],
  ])('%s is refused', (uri, word) => {
    expect((parse(uri) as string[]).join()).toContain(word);
    expect((parse(uri) as string[]).join()).not.toContain('secret');
  });
});
