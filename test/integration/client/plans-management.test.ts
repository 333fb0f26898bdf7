/** Plans that also ask RabbitMQ's management API: bindings, exact arguments, policies; and what may go wrong there. */
import {
  AmqpError,
  ArgumentError,
  connect,
  ManagementError,
  PlanConflictError,
  TimeoutError,
  TypedField,
  type Connection,
  type Declarations,
  type FieldTable,
  type ManagementParameters,
  type Plan,
} from 'leveret/amqp';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { describeOnEmbedded, describeOnRabbitmq } from '../../support/brokers.js';
import { everythingShown, holdsSecret, secret } from '../../support/secrets.js';
import { rejection } from '../../support/waiting.js';

const managementUrl = process.env['LEVERET_TEST_MANAGEMENT_URL'];

function states(plan: Plan): string[] {
  return plan.entities.map(({ kind, state }) => `${kind} ${state}`);
}

describeOnRabbitmq('a plan that asks the management API', (broker) => {
  if (managementUrl === undefined || managementUrl === '') {
    test.skip('needs the management API: LEVERET_TEST_MANAGEMENT_URL is not set', () => undefined);
    return;
  }
  const management = { url: managementUrl };
  let connection: Connection;
  let names: { exchange: string; sink: string; queue: string };

  beforeEach(async () => {
    connection = await connect(broker.url);
    names = { exchange: broker.unique('plan-x'), sink: broker.unique('plan-sink'), queue: broker.unique('plan-q') };
  });
  afterEach(async () => {
    const channel = await connection.openChannel();
    await channel.queueDelete(names.queue);
    for (const exchange of [names.exchange, names.sink]) await channel.exchangeDelete(exchange);
    await connection.close();
  });

  /** The management API as an administrator uses it. */
  async function administer(method: 'PUT' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<void> {
    const url = new URL(managementUrl ?? '');
    const login = Buffer.from(`${url.username}:${url.password}`).toString('base64');
    const response = await fetch(`${url.origin}/api/${path}`, {
      method,
      headers: { authorization: `Basic ${login}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${String(response.status)}`);
  }

  function shop(): Declarations {
    const { exchange, sink, queue } = names;
    return {
      exchanges: [
        { name: exchange, type: 'topic' },
        { name: sink, type: 'headers', durable: false },
      ],
      queues: [{ name: queue, arguments: { 'x-message-ttl': 60_000 } }],
      bindings: [
        { source: exchange, destination: queue, routingKey: 'order.*' },
        { source: exchange, destination: sink, kind: 'exchange', routingKey: '#' },
        { source: sink, destination: queue, arguments: { 'x-match': 'all', colour: 'red' } },
      ],
    };
  }

  test('tells bindings: missing, and equal once they are made', async () => {
    expect(states(await connection.plan(shop(), { management }))).toEqual([
      ...['exchange missing', 'exchange missing', 'queue missing'],
      ...['binding missing', 'binding missing', 'binding missing'],
    ]);
    const applied = await connection.apply(shop(), { management });
    expect(applied.missing).toHaveLength(6);
    const plan = await connection.plan(undefined, { management });
    expect(states(plan)).toEqual([
      ...['exchange equal', 'exchange equal', 'queue equal', 'binding equal', 'binding equal', 'binding equal'],
    ]);
    expect({ isEqual: plan.isEqual, extra: plan.extra, equal: plan.equal.length }).toEqual({
      isEqual: true,
      extra: [],
      equal: 6,
    });
  });

  test('tells a binding that somebody took away, and those that nobody declared', async () => {
    const { exchange, sink, queue } = names;
    await connection.apply(shop());
    const other = await connect(broker.url);
    const channel = await other.openChannel();
    await channel.queueUnbind(queue, exchange, 'order.*');
    await channel.queueBind(queue, sink, '', { 'x-match': 'all', colour: 'blue' });
    await channel.exchangeBind(sink, 'amq.topic', 'stray');
    const plan = await connection.plan(shop(), { management });
    expect(plan.missing.map(({ name }) => name)).toEqual([`${exchange} -> ${queue} (order.*)`]);
    expect([...plan.extra].sort((left, right) => (left.kind < right.kind ? -1 : 1))).toEqual([
      { kind: 'exchange', source: 'amq.topic', destination: sink, routingKey: 'stray', arguments: {} },
      {
        ...{ kind: 'queue', source: sink, destination: queue, routingKey: '' },
        arguments: { 'x-match': 'all', colour: 'blue' },
      },
    ]);
    expect(plan.isEqual).toBe(false);
    expect(plan.toString()).toContain(`extra binding amq.topic -> ${sink} (stray)`);
    // What it tells is what an unbind takes.
    for (const { kind, source, destination, routingKey, arguments: table } of plan.extra) {
      await (kind === 'queue'
        ? channel.queueUnbind(destination, source, routingKey, table)
        : channel.exchangeUnbind(destination, source, routingKey, table));
    }
    await connection.apply(shop(), { management });
    expect((await connection.plan(shop(), { management })).isEqual).toBe(true);
    await other.close();
  });

  test('knows bindings apart by arguments of every kind that a table may hold', async () => {
    const { sink, queue } = names;
    const table: FieldTable = {
      ...{
        'x-match': 'all',
        integer: 5,
        negative: -1,
        long: 2n ** 60n,
        float: 1.5,
        half: new TypedField('float', 1.1),
      },
      ...{ yes: true, nothing: null, date: new Date(86_400_500), list: [1, 'a', { deep: null }, []], table: { a: {} } },
      ...{ text: 'ü\u0000', bytes: Buffer.from([1, 255, 3, 4]), textBytes: Buffer.from('plain'), empty: {} },
      ...{ decimal: new TypedField('decimal', 123, 2), left: undefined },
    };
    const declarations: Declarations = {
      exchanges: [{ name: sink, type: 'headers' }],
      queues: [{ name: queue }],
      bindings: [{ source: sink, destination: queue, routingKey: 'r/k ü%2F', arguments: table }],
    };
    await connection.apply(declarations);
    expect(states(await connection.plan(declarations, { management }))).toEqual([
      ...['exchange equal', 'queue equal', 'binding equal'],
    ]);
    const otherwise = Object.keys(table).filter((name) => table[name] !== undefined);
    for (const name of otherwise) {
      const [binding] = declarations.bindings ?? [];
      if (!binding) throw new Error('no binding');
      const bindings = [{ ...binding, arguments: { ...table, [name]: 'otherwise' } }];
      const plan = await connection.plan({ ...declarations, bindings }, { management });
      expect([name, states(plan).at(-1), plan.extra.length]).toEqual([name, 'binding missing', 1]);
    }
  });

  test('tells every argument that differs, also those that a declare does not look at', async () => {
    const { queue, exchange } = names;
    const channel = await connection.openChannel();
    await channel.queueDeclare(queue, { arguments: { 'x-max-length': 5, 'x-note': 'theirs' } });
    await channel.exchangeDeclare(exchange, 'topic', { arguments: { 'x-owner': { team: 'theirs' } } });
    const declarations: Declarations = {
      exchanges: [{ name: exchange, type: 'topic', arguments: { 'x-owner': { team: 'ours' } } }],
      queues: [{ name: queue, arguments: { 'x-max-length': 6, 'x-note': 'ours' } }],
    };
    expect((await connection.plan(declarations)).entities.map(({ differences }) => differences.length)).toEqual([0, 1]);
    const plan = await connection.plan(declarations, { management });
    expect(plan.entities).toMatchObject([
      {
        state: 'equal',
        differences: [{ argument: 'x-owner', declared: { team: 'ours' }, onBroker: { team: 'theirs' } }],
        onBroker: { type: 'topic', durable: true, arguments: { 'x-owner': { team: 'theirs' } } },
      },
      {
        state: 'conflict',
        isComplete: true,
        differences: [
          { argument: 'x-max-length', declared: 6, onBroker: 5 },
          { argument: 'x-note', declared: 'ours', onBroker: 'theirs' },
        ],
        onBroker: { durable: true, autoDelete: false },
      },
    ]);
    const refusal = await rejection(connection.apply(declarations, { management }));
    expect(refusal).toBeInstanceOf(PlanConflictError);
  });

  test('names the policy that applies to a queue and to an exchange, at once', async () => {
    await connection.apply(shop());
    const policy = broker.unique('plan-policy');
    const pattern = `^(${names.queue}|${names.exchange})$`.replaceAll('.', '\\.');
    const path = `policies/%2F/${encodeURIComponent(policy)}`;
    await administer('PUT', path, { pattern, definition: { 'max-length': 10, 'alternate-exchange': 'elsewhere' } });
    const ofBoth = await connection.plan(shop(), { management });
    await administer('PUT', path, { pattern, 'apply-to': 'queues', definition: { 'max-length': 10 } });
    const ofQueue = await connection.plan(shop(), { management });
    await administer('DELETE', path);
    const ofNone = await connection.plan(shop(), { management });
    const told = (plan: Plan): unknown[] => plan.entities.slice(0, 3).map((entity) => entity.policy);
    expect(told(ofBoth)).toEqual([policy, undefined, policy]);
    expect(told(ofQueue)).toEqual([undefined, undefined, policy]);
    expect(told(ofNone)).toEqual([undefined, undefined, undefined]);
    expect(ofQueue.toString()).toContain(`equal queue ${names.queue} (policy ${policy})`);
    expect(ofQueue.isEqual).toBe(true);
  });

  async function serves(virtualHost: string): Promise<void> {
    const there = await connect(broker.url, { virtualHost });
    try {
      await there.apply(shop(), { management });
      expect((await there.plan(shop(), { management })).isEqual).toBe(true);
      expect((await connection.plan(shop(), { management })).missing).toHaveLength(6);
    } finally {
      await there.close();
    }
  }

  test.each(['a/b c', '%2f?#&+', 'ü 🐇'])('finds its way in a virtual host named %j', async (name) => {
    const virtualHost = broker.unique(name);
    const part = encodeURIComponent(virtualHost);
    await administer('PUT', `vhosts/${part}`);
    try {
      await administer('PUT', `permissions/${part}/guest`, { configure: '.*', write: '.*', read: '.*' });
      await serves(virtualHost);
    } finally {
      await administer('DELETE', `vhosts/${part}`);
    }
  });

  const control = process.env['LEVERET_TEST_RABBITMQCTL'];
  if (control === undefined || control === '') {
    test.skip('finds its way in a virtual host named ".." (needs rabbitmqctl: no path can name it)', () => undefined);
  } else {
    // In a path it would be a folder's: all virtual hosts are asked for.
    test('finds its way in a virtual host named ".."', async () => {
      const everything = { configure: '.*', write: '.*', read: '.*' };
      await administer('POST', 'definitions', {
        vhosts: [{ name: '..' }],
        permissions: [{ user: 'guest', vhost: '..', ...everything }],
      });
      try {
        await serves('..');
      } finally {
        await promisify(execFile)(control, ['delete_vhost', '..']);
      }
    }, 60_000);
  }

  test('a login that the broker refuses is a ManagementError that shows neither name nor password', async () => {
    const url = new URL(managementUrl);
    const error = await rejection(
      connection.plan({}, { management: { url, username: 'nobody-4711', password: secret } }),
    );
    expect(error).toBeInstanceOf(ManagementError);
    expect(error).toMatchObject({ status: 401, recoverable: false });
    expect(error.message).toContain(`${url.origin}/api/`);
    expect(everythingShown(error)).not.toContain('nobody-4711');
    expect(holdsSecret(everythingShown(error))).toBe(false);
  });
});

describeOnEmbedded('a management API that misbehaves', (broker) => {
  let connection: Connection;
  let server: Server;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let requests: { url: string; authorization: string | undefined }[];
  let address: string;

  beforeAll(async () => {
    connection = await connect(broker.url);
    server = createServer((request, response) => {
      requests.push({ url: request.url ?? '', authorization: request.headers.authorization });
      answer(request, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    address = `127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  });
  beforeEach(() => {
    requests = [];
    answer = says(200, '[]');
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await connection.close();
  });

  function says(status: number, text: string, headers: Record<string, string> = {}): typeof answer {
    return (_request, response) => void response.writeHead(status, headers).end(text);
  }
  function ask(options: Partial<ManagementParameters> = {}, signal?: AbortSignal): Promise<Plan> {
    const management = { url: `http://user:${secret}@${address}`, ...options };
    return connection.plan({ queues: [{ name: 'nowhere' }] }, { management, signal });
  }

  test('is asked three things, with the login of the URL or the options, below the path of the URL', async () => {
    await ask();
    await ask({ url: new URL(`http://${address}/prefix/`), username: 'us%er', password: 'pä:ss' });
    const login = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
    const paths = ['exchanges', 'queues', 'bindings'].map((section) => `/api/${section}/%2F?disable_stats=true`);
    expect(
      requests
        .slice(0, 3)
        .map(({ url }) => url)
        .sort(),
    ).toEqual([...paths].sort());
    expect(
      requests
        .slice(3)
        .map(({ url }) => url)
        .sort(),
    ).toEqual(paths.map((path) => `/prefix${path}`).sort());
    expect(requests[0]?.authorization).toBe(login(`user:${secret}`));
    expect(requests[3]?.authorization).toBe(login('us%er:pä:ss'));
    // Percent-encoded in a URL.
    await ask({ url: `http://us%25er:p%C3%A4%3Ass@${address}` });
    expect(requests[6]?.authorization).toBe(login('us%er:pä:ss'));
  });

  test('is taken at its word: bindings, policies, and an empty list for no arguments', async () => {
    const channel = await connection.openChannel();
    const queue = broker.unique('plan-q');
    await channel.queueDeclare(queue, { durable: false, exclusive: true });
    const listed = { vhost: '/', destination: queue, destination_type: 'queue' };
    const entity = { vhost: '/', name: queue, durable: false, auto_delete: false, exclusive: null, arguments: [] };
    const sections: Record<string, unknown> = {
      exchanges: [],
      queues: [
        { ...entity, policy: 'ours' },
        { ...entity, vhost: 'another', policy: 'theirs' },
      ],
      bindings: [
        { ...listed, source: 'amq.topic', routing_key: 'there', arguments: [] },
        { ...listed, source: 'amq.topic', routing_key: 'stray', arguments: { a: { b: [1] } } },
        { ...listed, source: '', routing_key: queue, arguments: {} },
        { ...listed, source: 'amq.topic', routing_key: 'elsewhere', vhost: 'another', arguments: {} },
        { ...listed, source: 'amq.topic', routing_key: 'of others', destination: 'others', arguments: {} },
      ],
    };
    answer = (request, response) =>
      void response.end(JSON.stringify(sections[/\/api\/([a-z]+)/.exec(request.url ?? '')?.[1] ?? '']));
    const plan = await connection.plan(
      {
        queues: [{ name: queue, durable: false, exclusive: true }],
        bindings: [
          { source: 'amq.topic', destination: queue, routingKey: 'there' },
          { source: 'amq.topic', destination: queue, routingKey: 'there', arguments: { a: 1 } },
          { source: 'amq.topic', destination: queue, routingKey: 'elsewhere' },
          { source: '', destination: queue, routingKey: queue },
        ],
      },
      { management: { url: `http://user:password@${address}` } },
    );
    expect(states(plan)).toEqual([
      ...['queue equal', 'binding equal', 'binding missing', 'binding missing', 'binding equal'],
    ]);
    expect(plan.entities[0]).toMatchObject({ policy: 'ours', differences: [], onBroker: { arguments: {} } });
    expect(plan.extra).toEqual([
      { kind: 'queue', source: 'amq.topic', destination: queue, routingKey: 'stray', arguments: { a: { b: [1] } } },
    ]);
    await channel.close();
  });

  test.each<[string, () => typeof answer, Partial<ManagementError>, RegExp]>([
    ['500', () => says(500, secret), { status: 500, recoverable: true }, /answered 500/],
    ['404', () => says(404, secret), { status: 404, recoverable: false }, /no such virtual host/],
    ['401', () => says(401, secret), { status: 401, recoverable: false }, /login was refused/],
    ['a redirect', () => says(302, '', { location: 'http://127.0.0.1:1/' }), { status: 302 }, /a login is not sent on/],
    ['a page for people', () => says(200, `<html>${secret}</html>`), { status: 200 }, /no JSON/],
    ['something else', () => says(200, '{"error":"x"}'), { status: 200 }, /no list/],
    ['entries that are none', () => says(200, '[5]'), { status: 200 }, /cannot be understood: an entry/],
    ['entries without a name', () => says(200, '[{"vhost":"/"}]'), { status: 200 }, /cannot be understood: /],
    [
      'half an answer',
      () => (_request, response) => {
        response.writeHead(200, { 'content-length': '100' }).write('[{', () => response.destroy());
      },
      { status: undefined, recoverable: true },
      /no answer/,
    ],
  ])('%s is a ManagementError, which shows no login', async (_what, misbehaviour, fields, message) => {
    answer = misbehaviour();
    const error = await rejection(ask());
    expect(error).toBeInstanceOf(ManagementError);
    expect(error).toMatchObject(fields);
    expect(error.message).toMatch(message);
    expect((error as ManagementError).url).toMatch(new RegExp(`^http://${address}/api/[a-z]+/%2F$`));
    expect(holdsSecret(everythingShown(error))).toBe(false);
    // The connection feels nothing of it.
    expect(states(await connection.plan({ queues: [{ name: 'nowhere' }] }))).toEqual(['queue missing']);
  });

  test('nobody listens: a ManagementError that says why, and that a later one may come to more', async () => {
    const error = await rejection(ask({ url: `http://user:${secret}@127.0.0.1:1` }));
    expect(error).toBeInstanceOf(ManagementError);
    expect(error).toMatchObject({ status: undefined, recoverable: true });
    expect(holdsSecret(everythingShown(error))).toBe(false);
  });

  test('silence ends with a TimeoutError after the time that it was given', async () => {
    answer = () => undefined;
    const error = await rejection(ask({ timeout: 50 }));
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ limit: 50, step: `management API at http://${address}` });
    // Also in the middle of an answer.
    answer = (_request, response) => void response.writeHead(200).write('[');
    expect(await rejection(ask({ timeout: 50 }))).toBeInstanceOf(TimeoutError);
  });

  test('a signal gives the plan up, before and in the middle', async () => {
    const reason = new Error('no longer wanted');
    const early = await rejection(ask({}, AbortSignal.abort(reason)));
    expect(early).toBeInstanceOf(AmqpError);
    expect(early.cause).toBe(reason);
    expect(requests).toEqual([]);
    const controller = new AbortController();
    answer = () => {
      controller.abort(reason);
    };
    const late = await rejection(ask({}, controller.signal));
    expect(late).toBeInstanceOf(AmqpError);
    expect(late.cause).toBe(reason);
  });

  test.each<[string, unknown, string]>([
    ['no object', 5, 'management'],
    ['an unknown option', { url: 'http://a:b@h', uri: 1 }, 'management.uri'],
    ['no URL', {}, 'management.url'],
    ['what is no URL', { url: `${secret}@nowhere` }, 'management.url'],
    ['another scheme', { url: `amqp://guest:${secret}@localhost` }, 'management.url'],
    ['a query', { url: `http://guest:${secret}@localhost/?x` }, 'management.url'],
    ['user info that cannot be decoded', { url: `http://guest:%ff${secret}@localhost` }, 'management.url'],
    ['nobody who asks', { url: 'http://localhost' }, 'management.username'],
    ['a user name that HTTP cannot say', { url: 'http://h', username: 'a:b', password: secret }, 'management.username'],
    ['a time-out of nothing', { url: 'http://a:b@h', timeout: 0 }, 'management.timeout'],
  ])('refuses %s, naming the option and no password', async (_what, management, name) => {
    for (const method of ['plan', 'apply'] as const) {
      const error = await rejection(connection[method]({}, { management: management as ManagementParameters }));
      expect(error).toBeInstanceOf(ArgumentError);
      expect((error as ArgumentError).argument).toBe(name);
      expect(holdsSecret(everythingShown(error))).toBe(false);
    }
    expect(requests).toEqual([]);
  });
});
