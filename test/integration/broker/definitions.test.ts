/** RabbitMQ's definitions, users and permissions, as options of the embedded broker. */
import { createHash } from 'node:crypto';
import { connect, toDefinitions } from 'leveret/amqp';
import { EmbeddedBroker } from 'leveret/broker';
import { rejection } from '../../support/waiting.js';

const secret = 'a-password-that-nobody-says';

function hashed(algorithm: 'sha256' | 'sha512'): string {
  const salt = Buffer.from('salt');
  return Buffer.concat([salt, createHash(algorithm).update(salt).update(secret).digest()]).toString('base64');
}

const definitions = {
  rabbit_version: '3.10.8',
  vhosts: [{ name: '/' }, { name: 'shop' }],
  users: [
    { name: 'plain', password: secret, tags: '' },
    { name: 'old', password_hash: hashed('sha256'), tags: [] },
    { name: 'new', password_hash: hashed('sha512'), hashing_algorithm: 'rabbit_password_hashing_sha512' },
    { name: 'none', password_hash: '' },
  ],
  permissions: [
    { user: 'plain', vhost: 'shop', configure: '', write: '^orders$', read: '.*' },
    { user: 'old', vhost: 'shop', configure: '.*', write: '.*', read: '.*' },
    { user: 'new', vhost: '/', configure: '.*', write: '.*', read: '.*' },
  ],
  policies: [],
  exchanges: [
    { name: 'amq.topic', vhost: 'shop', type: 'topic', durable: true, auto_delete: false, arguments: {} },
    { name: 'orders', vhost: 'shop', type: 'topic', durable: true, auto_delete: false, internal: false, arguments: {} },
    { name: 'all', vhost: 'shop', type: 'fanout', durable: false, arguments: [] },
  ],
  queues: [
    { name: 'quorum', vhost: 'shop', durable: true, auto_delete: false, type: 'quorum', arguments: {} },
    { name: 'short', vhost: 'shop', durable: true, auto_delete: false, arguments: { 'x-max-length': 2 } },
  ],
  bindings: [
    { source: 'orders', vhost: 'shop', destination: 'quorum', destination_type: 'queue', routing_key: 'order.#' },
    {
      source: 'orders',
      vhost: 'shop',
      destination: 'all',
      destination_type: 'exchange',
      routing_key: '#',
      arguments: {},
    },
  ],
};

describe('definitions', () => {
  it('are there from the start: virtual hosts, exchanges, queues and bindings', async () => {
    const broker = await EmbeddedBroker.start({ port: 0, definitions });
    expect(broker.inspect.exchanges('shop').map(({ name }) => name)).toEqual(
      expect.arrayContaining(['orders', 'all', 'amq.topic']),
    );
    expect(broker.inspect.queues('shop').map(({ name, type }) => [name, type])).toEqual([
      ['quorum', 'quorum'],
      ['short', 'classic'],
    ]);
    expect(broker.inspect.bindings('shop')).toHaveLength(2);
    const connection = await connect(broker.url, { virtualHost: 'shop' });
    const channel = await connection.openChannel({ confirm: true });
    // The same declaration again is no conflict: it is as the definitions say.
    await channel.queueDeclare('short', { arguments: { 'x-max-length': 2 } });
    await channel.publish('orders', 'order.created', 'x');
    expect(broker.inspect.queue('quorum', 'shop')?.messageCount).toBe(1);
    await connection.close();
    await broker.stop();
  });

  it('users log in with the password that they had, and may do what they might', async () => {
    const broker = await EmbeddedBroker.start({ port: 0, definitions });
    const login = async (username: string, virtualHost: string, password = secret): Promise<string> => {
      const url = broker.url.replace('guest:guest@', '');
      try {
        await (await connect(url, { username, password, virtualHost })).close();
        return 'in';
      } catch (error) {
        expect(String(error)).not.toContain(secret);
        return (error as Error).name;
      }
    };
    expect(await login('plain', 'shop')).toBe('in');
    expect(await login('old', 'shop')).toBe('in');
    expect(await login('new', '/')).toBe('in');
    expect(await login('old', 'shop', 'wrong')).toBe('AuthenticationError');
    expect(await login('none', '/', '')).toBe('AuthenticationError');
    expect(await login('old', '/')).toBe('AccessRefusedError');
    const connection = await connect(broker.url.replace('guest:guest@', ''), {
      ...{ username: 'plain', password: secret, virtualHost: 'shop' },
    });
    const channel = await connection.openChannel({ confirm: true });
    expect(await rejection(channel.queueDeclare('mine'))).toMatchObject({ replyCode: 403 });
    await channel.publish('orders', 'order.created', 'x');
    await connection.close();
    await broker.stop();
  });

  it('may say what guest may do, who is there without being said', async () => {
    const permissions = [{ user: 'guest', vhost: 'shop', configure: '^a$', write: '.*', read: '.*' }];
    const broker = await EmbeddedBroker.start({
      definitions: { vhosts: [{ name: 'shop' }, { name: 'other' }], permissions },
    });
    const open = (virtualHost: string) => connect({ transport: broker.memory(), virtualHost, recovery: false });
    for (const [virtualHost, mayDeclare] of [
      ['/', true],
      ['shop', false],
    ] as const) {
      const connection = await open(virtualHost);
      const channel = await connection.openChannel();
      await channel.queueDeclare('a');
      const declared = channel.queueDeclare('b').then(
        () => true,
        () => false,
      );
      expect(await declared).toBe(mayDeclare);
      await connection.close();
    }
    expect(await rejection(open('other'))).toMatchObject({ replyCode: 530 });
    await broker.stop();
  });

  it('that the client wrote of a topology are read', async () => {
    const first = await EmbeddedBroker.start({ port: 0 });
    const connection = await connect(first.url);
    const channel = await connection.openChannel();
    await channel.exchangeDeclare('e', 'headers', { arguments: { 'alternate-exchange': 'amq.fanout' } });
    await channel.queueDeclare('q', { arguments: { 'x-message-ttl': 60_000 } });
    await channel.queueBind('q', 'e', '', { 'x-match': 'any', kind: 'a' });
    const second = await EmbeddedBroker.start({
      definitions: JSON.parse(JSON.stringify(toDefinitions(connection.topology, '/'))),
    });
    expect(second.inspect.queues()).toEqual(first.inspect.queues());
    expect(second.inspect.bindings()).toEqual(first.inspect.bindings());
    await connection.close();
    await Promise.all([first.stop(), second.stop()]);
  });

  it.each<[string, unknown, string]>([
    ['no object', [], 'definitions: must be an object (parsed JSON), not a list'],
    ['a section that is no list', { queues: {} }, 'queues: must be a list, not an object'],
    ['an entry that is no object', { queues: ['q'] }, 'queues[0]: must be an object, not a string'],
    ['a queue without a name', { queues: [{ durable: true }] }, 'queues[0].name: is missing'],
    ['a queue without durable', { queues: [{ name: 'q' }] }, 'queues[0].durable: is missing'],
    [
      'a queue in no virtual host',
      { queues: [{ name: 'q', vhost: 'none', durable: true }] },
      'queues[0].vhost: there is no virtual host "none"',
    ],
    [
      'arguments that the broker refuses',
      { queues: [{ name: 'q', durable: true, arguments: { 'x-max-length': 'many' } }] },
      'queues[0]: PRECONDITION_FAILED - ',
    ],
    [
      'an exchange of an unknown type',
      { exchanges: [{ name: 'e', type: 'x-delayed-message', durable: true }] },
      'exchanges[0].type: must be one of direct, fanout, topic, headers',
    ],
    [
      'a binding to nothing',
      { bindings: [{ source: 'amq.topic', destination: 'q', destination_type: 'queue' }] },
      "bindings[0]: NOT_FOUND - no queue 'q' in vhost '/'",
    ],
    [
      'a hash that is none',
      { users: [{ name: 'u', password_hash: secret }] },
      'users[0].password_hash: must be 36 bytes in base64: a salt of four, and the hash',
    ],
    [
      'another hashing',
      { users: [{ name: 'u', password_hash: secret, hashing_algorithm: 'rabbit_password_hashing_md5' }] },
      'users[0].hashing_algorithm: must be one of rabbit_password_hashing_sha256, rabbit_password_hashing_sha512',
    ],
    ['a password that is no string', { users: [{ name: 'u', password: 7 }] }, 'users[0].password: must be a string'],
    [
      'permissions of nobody',
      { permissions: [{ user: 'u', vhost: '/', configure: '', write: '', read: '' }] },
      'permissions[0].user: is no user of these definitions, nor guest',
    ],
    [
      'a pattern that is none',
      { users: [{ name: 'u' }], permissions: [{ user: 'u', vhost: '/', configure: '(', write: '', read: '' }] },
      'permissions[0].configure: is no regular expression',
    ],
  ])('with %s are refused, and no password is told', async (_what, wrong, fault) => {
    const error = await rejection(EmbeddedBroker.start({ definitions: wrong }));
    expect(error).toMatchObject({ name: 'DefinitionsError', message: expect.stringContaining(fault) as unknown });
    expect(error.message).not.toContain(secret);
  });

  it('a name like __proto__ is one like any other', async () => {
    const text =
      '{"users":[{"name":"__proto__","password":"p"}],"permissions":[{"user":"__proto__","vhost":"__proto__","configure":"","write":"","read":""}],"queues":[{"name":"__proto__","durable":true,"arguments":{"__proto__":1}}]}';
    const broker = await EmbeddedBroker.start({ definitions: JSON.parse(text) as unknown });
    expect(broker.inspect.queue('__proto__')?.arguments).toEqual(JSON.parse('{"__proto__":1}'));
    expect(({} as Record<string, unknown>)['configure']).toBeUndefined();
    await broker.stop();
  });
});

describe('users that are given', () => {
  it.each<[unknown, string]>([
    [{}, 'users'],
    [[1], 'users[0]'],
    [[{ password: secret }], 'users[0].name'],
    [[{ name: 'u', password: 1 }], 'users[0].password'],
    [[{ name: 'u', pasword: secret }], 'users[0].pasword'],
    [[{ name: 'u', virtualHosts: [] }], 'users[0].virtualHosts'],
    [[{ name: 'u', virtualHosts: { '/': 1 } }], 'users[0].virtualHosts./'],
    [[{ name: 'u', virtualHosts: { '/': { write: '(' } } }], 'users[0].virtualHosts./.write'],
    [[{ name: 'u', virtualHosts: { '/': { bogus: '' } } }], 'users[0].virtualHosts./.bogus'],
  ])('as %j are refused', async (users, argument) => {
    const error = await rejection(EmbeddedBroker.start({ users: users as never }));
    expect(error).toMatchObject({ name: 'ArgumentError', argument });
    expect(error.message).not.toContain(secret);
  });
});
