/** The topology as RabbitMQ's definitions JSON, and back: nothing lost, nothing believed, every fault named. */
import { ArgumentError, DefinitionsError } from '../../../lib/amqp/errors.js';
import { TypedField, type FieldValue } from '../../../lib/amqp/protocol/index.js';
import { toDefinitions, undefinable } from '../../../lib/amqp/recovery/definitions-export.js';
import { fromDefinitions } from '../../../lib/amqp/recovery/definitions-import.js';
import { TopologyRecord, type ExchangeRecord, type QueueRecord } from '../../../lib/amqp/recovery/topology-record.js';

const exchange: ExchangeRecord = {
  name: 'e',
  type: 'topic',
  durable: true,
  autoDelete: false,
  internal: false,
  arguments: {},
};
const queue: QueueRecord = {
  name: 'q',
  isServerNamed: false,
  durable: true,
  exclusive: false,
  autoDelete: false,
  arguments: {},
};
const binding = { kind: 'queue', source: 'e', destination: 'q', routingKey: 'k', arguments: {} } as const;

function everyKind(): TopologyRecord {
  const record = new TopologyRecord();
  record.addExchange({ ...exchange, name: 'z', type: 'headers', durable: false, autoDelete: true, internal: true });
  record.addExchange({ ...exchange, arguments: { 'alternate-exchange': 'z' } });
  record.addQueue({ ...queue, name: 'r', durable: false, autoDelete: true });
  record.addQueue({
    ...queue,
    arguments: { 'x-queue-type': 'quorum', 'x-list': [1, 1.5, { deep: true }], 'x-a': 'é' },
  });
  record.addBinding({ ...binding, source: 'z', arguments: { 'x-match': 'all', colour: 'red' } });
  record.addBinding({ ...binding, source: 'z', arguments: { 'x-match': 'all', colour: 'blue' } });
  record.addBinding({ ...binding, kind: 'exchange', destination: 'z', routingKey: '' });
  record.addBinding({ ...binding, source: 'amq.topic' });
  record.addBinding(binding);
  return record;
}

/** One queue with these arguments. */
function withArguments(table: Readonly<Record<string, FieldValue>>): TopologyRecord {
  const record = new TopologyRecord();
  record.addQueue({ ...queue, arguments: table });
  return record;
}

function faultsOf(definitions: unknown, virtualHost?: string): readonly string[] {
  try {
    fromDefinitions(definitions, virtualHost);
  } catch (error) {
    if (error instanceof DefinitionsError) return error.faults;
    throw error;
  }
  return [];
}

describe('a topology as definitions', () => {
  test('has the fields that RabbitMQ reads', () => {
    const record = new TopologyRecord();
    record.addExchange(exchange);
    record.addQueue(queue);
    record.addBinding(binding);
    expect(toDefinitions(record, 'shop')).toEqual({
      exchanges: [
        { name: 'e', vhost: 'shop', type: 'topic', durable: true, auto_delete: false, internal: false, arguments: {} },
      ],
      queues: [{ name: 'q', vhost: 'shop', durable: true, auto_delete: false, arguments: {} }],
      bindings: [
        { source: 'e', vhost: 'shop', destination: 'q', destination_type: 'queue', routing_key: 'k', arguments: {} },
      ],
    });
  });

  test('comes back as it was, through JSON text', () => {
    const text = JSON.stringify(toDefinitions(everyKind(), '/'));
    const back = fromDefinitions(JSON.parse(text));
    expect(JSON.stringify(toDefinitions(back, '/'))).toBe(text);
    expect(back.exchanges).toEqual(expect.arrayContaining([...everyKind().exchanges]));
    expect(back.queues).toEqual(expect.arrayContaining([...everyKind().queues]));
    expect(back.bindings).toEqual(expect.arrayContaining([...everyKind().bindings]));
    expect([back.exchanges.length, back.queues.length, back.bindings.length]).toEqual([2, 2, 5]);
  });

  test('is the same text in whatever order it was declared and its arguments were written', () => {
    const forward = everyKind();
    const backward = new TopologyRecord();
    const turned = <Entity extends { arguments: object }>(entity: Entity): Entity => ({
      ...entity,
      arguments: Object.fromEntries(Object.entries(entity.arguments).reverse()),
    });
    for (const entity of [...forward.bindings].reverse()) backward.addBinding(turned(entity));
    for (const entity of [...forward.queues].reverse()) backward.addQueue(turned(entity));
    for (const entity of [...forward.exchanges].reverse()) backward.addExchange(turned(entity));
    expect(JSON.stringify(toDefinitions(backward, '/'))).toBe(JSON.stringify(toDefinitions(forward, '/')));
    expect(toDefinitions(forward, '/').queues.map(({ name }) => name)).toEqual(['q', 'r']);
  });

  test('leaves out, and names, what definitions cannot hold', () => {
    const record = everyKind();
    const before = JSON.stringify(toDefinitions(record, '/'));
    const lost = [
      { ...queue, name: 'mine', exclusive: true },
      { ...queue, name: 'amq.gen-x', isServerNamed: true },
    ];
    for (const entity of lost) record.addQueue(entity);
    record.addExchange({ ...exchange, name: 'amq.topic' });
    record.addExchange({ ...exchange, name: '', type: 'direct' });
    const bindings = [
      { ...binding, destination: 'mine' },
      { ...binding, destination: 'amq.gen-x' },
      { ...binding, destination: 'amq.gen-of-another-connection' },
      { ...binding, source: '', routingKey: 'q' },
    ];
    for (const entity of bindings) record.addBinding(entity);
    expect(JSON.stringify(toDefinitions(record, '/'))).toBe(before);
    const { exchanges, ...rest } = undefinable(record);
    expect(rest).toEqual({ queues: lost, bindings });
    expect(exchanges.map(({ name }) => name)).toEqual(['amq.topic', '']);
  });

  test.each<[string, FieldValue, unknown]>([
    ['a bigint of 53 bits', 9_007_199_254_740_991n, 9_007_199_254_740_991],
    ['a typed integer', new TypedField('int64', 5n), 5],
    ['a typed double', new TypedField('double', 1.5), 1.5],
    ['a decimal', new TypedField('decimal', 150, 2), 1.5],
    ['a typed timestamp', new TypedField('timestamp', 7), 7],
    ['negative zero', -0, 0],
    ['a list of tables', [{ a: 1n }, []], [{ a: 1 }, []]],
  ])('says %s as plain JSON', (_kind, value, expected) => {
    const table = toDefinitions(withArguments({ a: value, gone: undefined }), '/').queues[0]?.arguments;
    expect(table).toStrictEqual({ a: expected });
  });

  test.each<[string, FieldValue]>([
    ['a bigint beyond', 2n ** 53n],
    ['a double of an integer beyond', 2 ** 60],
    ['a typed integer beyond', new TypedField('int64', 2n ** 62n)],
    ['no number', Number.NaN],
    ['a Date', new Date(0)],
    ['bytes', Buffer.from('x')],
    ['null', null],
  ])('refuses %s with its path', (_kind, value) => {
    expect(() => toDefinitions(withArguments({ outer: [{ 'x-a': value }] }), '/')).toThrow(ArgumentError);
    expect(() => toDefinitions(withArguments({ outer: [{ 'x-a': value }] }), '/')).toThrow(
      /^queue "q": arguments\.outer\[0\]\.x-a: /,
    );
  });
});

describe('definitions as a topology', () => {
  test('takes the entities of the virtual host, and of none, and nothing else', () => {
    const entry = { name: 'mine', vhost: 'shop', durable: true, arguments: [] };
    const record = fromDefinitions(
      {
        users: 'whatever',
        policies: [null],
        vhosts: [{ name: 'shop' }],
        queues: [
          entry,
          entry,
          { name: 'free', durable: true, unknown: 1 },
          { name: 5, vhost: 'other' },
          { name: 'amq.gen-x', durable: true },
          { name: 'typed', durable: true, type: 'quorum' },
          { name: 'classic', durable: true, type: 'classic' },
        ],
        exchanges: [{ name: '' }, { name: 'amq.topic' }],
        bindings: [
          { source: '', destination: 'q', destination_type: 'queue', routing_key: 'q' },
          { source: 'e', destination: 'amq.gen-x', destination_type: 'queue' },
        ],
      },
      'shop',
    );
    expect(record.queues.map(({ name }) => name)).toEqual(['mine', 'free', 'typed', 'classic']);
    expect(record.queue('typed')?.arguments).toEqual({ 'x-queue-type': 'quorum' });
    expect(record.queue('classic')?.arguments).toEqual({});
    expect([record.exchanges, record.bindings]).toEqual([[], []]);
    expect(fromDefinitions({}).isEmpty).toBe(true);
  });

  test.each<[unknown, string]>([
    [null, 'definitions: must be an object (parsed JSON), not null'],
    ['{}', 'definitions: must be an object (parsed JSON), not a string'],
    [[], 'definitions: must be an object (parsed JSON), not a list'],
    [{ queues: {} }, 'queues: must be a list, not an object (Object)'],
    [{ queues: [7] }, 'queues[0]: must be an object, not a number'],
    [{ queues: [{ durable: true }] }, 'queues[0].name: is missing'],
    [{ queues: [{ name: '', durable: true }] }, 'queues[0].name: is empty'],
    [{ queues: [{ name: 'é'.repeat(128), durable: true }] }, 'queues[0].name: is 256 bytes long; AMQP allows 255'],
    [{ queues: [{ name: '\ud800', durable: true }] }, 'queues[0].name: holds a lone surrogate, which UTF-8 cannot say'],
    [{ queues: [{ name: 'q', vhost: 1, durable: true }] }, 'queues[0].vhost: must be a string, not a number'],
    [{ queues: [{ name: 'q' }] }, 'queues[0].durable: is missing'],
    [{ queues: [{ name: 'q', durable: 1 }] }, 'queues[0].durable: must be true or false, not a number'],
    [
      { queues: [{ name: 'q', durable: true, exclusive: true }] },
      'queues[0].exclusive: definitions cannot hold an exclusive queue',
    ],
    [
      { queues: [{ name: 'q', durable: true, arguments: { a: [{ b: null }] } }] },
      'queues[0].arguments.a[0].b: must be a string, number, boolean, list or object, not null',
    ],
    [
      { queues: [{ name: 'q', durable: true, arguments: { a: 2 ** 53 } }] },
      'queues[0].arguments.a: 9007199254740992 is not a number within 53 bits',
    ],
    [{ queues: [{ name: 'q', durable: true, arguments: [1] }] }, 'queues[0].arguments: must be an object, not a list'],
    [
      { queues: ['true', 'false'].map((text) => ({ name: 'q', durable: text === 'true' })) },
      'queues[1].name: is there twice, and differs',
    ],
    [{ exchanges: [{ name: 'e', durable: true }] }, 'exchanges[0].type: is missing'],
    [
      { exchanges: ['direct', 'topic'].map((type) => ({ name: 'e', durable: true, type })) },
      'exchanges[1].name: is there twice, and differs',
    ],
    [
      { bindings: [{ source: 'e', destination: 'q', destination_type: 'stream' }] },
      'bindings[0].destination_type: must be "queue" or "exchange", not "stream"',
    ],
    [{ bindings: [{ destination: 'q', destination_type: 'queue' }] }, 'bindings[0].source: is missing'],
    [{ bindings: [{ source: 'e', destination: '', destination_type: 'queue' }] }, 'bindings[0].destination: is empty'],
  ])('%j: %s', (definitions, fault) => {
    expect(faultsOf(definitions)).toEqual([fault]);
  });

  test('names every fault at once, and the first ten in its message', () => {
    const definitions = { exchanges: 1, queues: Array.from({ length: 12 }, () => ({ durable: true })), bindings: [{}] };
    const faults = faultsOf(definitions);
    expect(faults).toHaveLength(16);
    expect(() => fromDefinitions(definitions)).toThrow(/^invalid definitions: exchanges: .*; and 6 more$/);
  });

  test('is not led astray by names of prototypes, nor by depth', () => {
    const text =
      '{"__proto__":{"queues":1},"queues":[{"name":"__proto__","durable":true,"arguments":{"__proto__":{"a":1}}}]}';
    const record = fromDefinitions(JSON.parse(text));
    expect(record.queues.map(({ name }) => name)).toEqual(['__proto__']);
    expect(JSON.stringify(record.queues[0]?.arguments)).toBe('{"__proto__":{"a":1}}');
    expect(JSON.stringify(toDefinitions(record, '/').queues[0]?.arguments)).toBe('{"__proto__":{"a":1}}');
    expect(Object.getPrototypeOf(record.queues[0]?.arguments)).toBe(Object.prototype);
    const deep: unknown = JSON.parse(`${'[{"a":'.repeat(5000)}1${'}]'.repeat(5000)}`);
    expect(faultsOf({ queues: [{ name: 'q', durable: true, arguments: { deep } }] })).toEqual([
      expect.stringMatching(/nested deeper than 64$/),
    ]);
  });
});
