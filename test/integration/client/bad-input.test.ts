/**
 * Bad input: method by method, fault by fault. Each row ends in the error that it names; nothing was sent, and the channel
 * goes on. A method of the public classes that no row tries fails the last test.
 */
import {
  AlreadySettledError,
  ArgumentError,
  Channel,
  ChannelClosedError,
  connect,
  Connection,
  ConnectionClosedError,
  Delivery,
  DuplicateConsumerTagError,
  NotSentError,
  ParametersError,
  WrongStateError,
} from 'leveret/amqp';
import { describeOnBrokers, type TestBroker } from '../../support/brokers.js';

interface Scene {
  readonly connection: Connection;
  /** With confirms. */
  readonly channel: Channel;
  /** Holds one message. */
  readonly queue: string;
  readonly delivery: Delivery;
  readonly plain: Channel;
  readonly closed: Channel;
  readonly gone: Connection;
  readonly closedOfGone: Channel;
}

type Kind = abstract new (...given: never[]) => Error;
/** What JavaScript lets through where TypeScript would not. */
type Anything = never;
const wrong = (value: unknown): Anything => value as Anything;

/** Method, fault, the call, the error, and what its message or argument says. */
type Row = readonly [method: string, fault: string, call: (s: Scene) => unknown, error: Kind, says: RegExp];

const long = 'n'.repeat(256);
const longInBytes = 'ü'.repeat(128);
const circular: Record<string, unknown> = {};
circular['self'] = circular;
const deep = (): unknown => {
  let table: unknown = {};
  for (let level = 0; level < 70; level++) table = { in: table };
  return table;
};
const throwing = {
  get bad(): never {
    throw new Error('a getter of the user’s');
  },
};

const wrongNames: readonly (readonly [string, unknown, RegExp])[] = [
  ['undefined', undefined, /must be a string/],
  ['null', null, /must be a string/],
  ['a number', 7, /must be a string/],
  ['a symbol', Symbol('s'), /must be a string/],
  ['an object', {}, /must be a string/],
  ['256 bytes', long, /256 bytes long; AMQP allows 255/],
  ['128 characters of 2 bytes', longInBytes, /256 bytes long/],
  ['a lone surrogate', '\ud800', /lone surrogate/],
];

const wrongTables: readonly (readonly [string, unknown, RegExp])[] = [
  ['an array', [], /object/],
  ['a Map', new Map(), /object/],
  ['null', null, /object/],
  ['a text', 'x', /object/],
  ['a function inside', { a: { b: () => 1 } }, /\.a\.b: a function cannot be encoded/],
  ['a symbol inside', { a: [1, Symbol('s')] }, /\.a\[1\]: a symbol cannot be encoded/],
  ['NaN inside', { a: Number.NaN }, /\.a: NaN cannot be encoded/],
  ['an integer beyond 64 bits', { a: 2n ** 64n }, /\.a: .*does not fit into int64/],
  ['an invalid date', { a: new Date(Number.NaN) }, /\.a: a timestamp must be/],
  ['a Map inside', { a: new Map() }, /\.a: a Map cannot be encoded/],
  ['a circle', circular, /nested deeper than 64/],
  ['too deep', deep(), /nested deeper than 64/],
  ['a name of 256 bytes inside', { [long]: 1 }, /256 bytes long/],
  ['a getter that throws', throwing, /bad: could not be read/],
];

const wrongCounts: readonly (readonly [string, unknown])[] = [
  ['negative', -1],
  ['fractional', 1.5],
  ['NaN', Number.NaN],
  ['infinite', Infinity],
  ['huge', 2 ** 60],
  ['a text', '5'],
  ['null', null],
];

const names = (method: string, call: (s: Scene, name: Anything) => unknown, what: string): Row[] =>
  wrongNames
    // An optional name may be left out.
    .filter(([fault]) => fault !== 'undefined' || !what.endsWith('?'))
    .map(([fault, value, says]) => [method, `${what}: ${fault}`, (s) => call(s, wrong(value)), ArgumentError, says]);

const tables = (method: string, call: (s: Scene, table: Anything) => unknown, what: string): Row[] =>
  wrongTables.map(([fault, value, says]) => [
    method,
    `${what}: ${fault}`,
    (s) => call(s, wrong(value)),
    ArgumentError,
    says,
  ]);

const counts = (method: string, call: (s: Scene, count: Anything) => unknown, what: string): Row[] =>
  wrongCounts.map(([fault, value]) => [
    method,
    `${what}: ${fault}`,
    (s) => call(s, wrong(value)),
    ArgumentError,
    /must be an integer/,
  ]);

const flags = (method: string, call: (s: Scene, options: Anything) => unknown, ...options: string[]): Row[] => [
  ...options.map((option): Row => [
    method,
    `${option} is no boolean`,
    (s) => call(s, wrong({ [option]: 'yes' })),
    ArgumentError,
    new RegExp(`^${option}: must be true or false`),
  ]),
  [method, 'an unknown option', (s) => call(s, wrong({ colour: 'red' })), ArgumentError, /^colour: unknown option/],
  [method, 'options that are no object', (s) => call(s, wrong(true)), ArgumentError, /options/],
];

/** Calls that wait for the broker, on what is closed. */
const afterClose = (method: string, call: (channel: Channel) => unknown): Row[] => [
  [method, 'on a closed channel', (s) => call(s.closed), ChannelClosedError, /closed/],
  [method, 'on a channel of a closed connection', (s) => call(s.closedOfGone), ConnectionClosedError, /closed/],
];

const nothing = (): void => undefined;

const rows: readonly Row[] = [
  // --- topology
  ...names('exchangeDeclare', ({ channel }, name) => channel.exchangeDeclare(name, 'topic'), 'exchange'),
  ...names('exchangeDeclare', ({ channel }, name) => channel.exchangeDeclare('e', name), 'type'),
  ...tables(
    'exchangeDeclare',
    ({ channel }, table) => channel.exchangeDeclare('e', 'topic', { arguments: table }),
    'arguments',
  ),
  ...flags(
    'exchangeDeclare',
    ({ channel }, options) => channel.exchangeDeclare('e', 'topic', options),
    'durable',
    'autoDelete',
    'internal',
    'passive',
  ),
  ...afterClose('exchangeDeclare', (channel) => channel.exchangeDeclare('e', 'topic')),
  ...names('exchangeDelete', ({ channel }, name) => channel.exchangeDelete(name), 'exchange'),
  ...flags('exchangeDelete', ({ channel }, options) => channel.exchangeDelete('e', options), 'ifUnused'),
  ...afterClose('exchangeDelete', (channel) => channel.exchangeDelete('e')),
  ...(['exchangeBind', 'exchangeUnbind'] as const).flatMap((method) => [
    ...names(method, ({ channel }, name) => channel[method](name, 's'), 'destination'),
    ...names(method, ({ channel }, name) => channel[method]('d', name), 'source'),
    ...names(method, ({ channel }, name) => channel[method]('d', 's', name), 'routing key?'),
    ...tables(method, ({ channel }, table) => channel[method]('d', 's', 'k', table), 'arguments'),
    ...afterClose(method, (channel) => channel[method]('d', 's')),
  ]),
  ...names('exchangeExists', ({ channel }, name) => channel.exchangeExists(name), 'exchange'),
  ...afterClose('exchangeExists', (channel) => channel.exchangeExists('e')),
  ...names('queueDeclare', ({ channel }, name) => channel.queueDeclare(name), 'queue?'),
  ...tables('queueDeclare', ({ channel }, table) => channel.queueDeclare('', { arguments: table }), 'arguments'),
  ...flags(
    'queueDeclare',
    ({ channel }, options) => channel.queueDeclare('', options),
    'durable',
    'exclusive',
    'autoDelete',
    'passive',
  ),
  ...afterClose('queueDeclare', (channel) => channel.queueDeclare('')),
  ...names('queueDelete', ({ channel }, name) => channel.queueDelete(name), 'queue'),
  ...flags('queueDelete', ({ channel }, options) => channel.queueDelete('q', options), 'ifUnused', 'ifEmpty'),
  ...afterClose('queueDelete', (channel) => channel.queueDelete('q')),
  ...names('queuePurge', ({ channel }, name) => channel.queuePurge(name), 'queue'),
  ...afterClose('queuePurge', (channel) => channel.queuePurge('q')),
  ...(['queueBind', 'queueUnbind'] as const).flatMap((method) => [
    ...names(method, ({ channel }, name) => channel[method](name, 'e'), 'queue'),
    ...names(method, ({ channel }, name) => channel[method]('q', name), 'exchange'),
    ...names(method, ({ channel }, name) => channel[method]('q', 'e', name), 'routing key?'),
    ...tables(method, ({ channel }, table) => channel[method]('q', 'e', 'k', table), 'arguments'),
    ...afterClose(method, (channel) => channel[method]('q', 'e')),
  ]),
  ...names('queueExists', ({ channel }, name) => channel.queueExists(name), 'queue'),
  ...afterClose('queueExists', (channel) => channel.queueExists('q')),

  // --- publishing
  ...(['basicPublish', 'publish'] as const).flatMap((method): Row[] => [
    ...names(method, ({ channel }, name) => channel[method](name, 'k', 'b'), 'exchange'),
    ...names(method, ({ channel }, name) => channel[method]('', name, 'b'), 'routing key'),
    ...[undefined, null, 7, {}, [1], new ArrayBuffer(2), true, Symbol('b')].map((body): Row => [
      method,
      `body: ${typeof body} ${Object.prototype.toString.call(body)}`,
      ({ channel, queue }) => channel[method]('', queue, wrong(body)),
      ArgumentError,
      /^body: must be a Buffer, Uint8Array or string/,
    ]),
    ...tables(method, ({ channel, queue }, headers) => channel[method]('', queue, 'b', { headers }), 'headers'),
    ...names(method, ({ channel, queue }, name) => channel[method]('', queue, 'b', { messageId: name }), 'message id?'),
    [
      method,
      'an unknown property',
      ({ channel, queue }) => channel[method]('', queue, 'b', wrong({ contenttype: 'x' })),
      ArgumentError,
      /^contenttype: unknown message property/,
    ],
    [
      method,
      'properties that are no object',
      ({ channel, queue }) => channel[method]('', queue, 'b', wrong('x')),
      ArgumentError,
      /^properties/,
    ],
    [
      method,
      'delivery mode 3',
      ({ channel, queue }) => channel[method]('', queue, 'b', { deliveryMode: 3 }),
      ArgumentError,
      /^deliveryMode: must be an integer from 1 to 2/,
    ],
    [
      method,
      'priority 256',
      ({ channel, queue }) => channel[method]('', queue, 'b', { priority: 256 }),
      ArgumentError,
      /^priority: .* to 255/,
    ],
    [
      method,
      'an expiration that is no number',
      ({ channel, queue }) => channel[method]('', queue, 'b', { expiration: 'soon' }),
      ArgumentError,
      /^expiration/,
    ],
    [
      method,
      'an expiration that is no text',
      ({ channel, queue }) => channel[method]('', queue, 'b', wrong({ expiration: 1000 })),
      ArgumentError,
      /^expiration/,
    ],
    [
      method,
      'an invalid timestamp',
      ({ channel, queue }) => channel[method]('', queue, 'b', { timestamp: new Date(Number.NaN) }),
      ArgumentError,
      /^timestamp/,
    ],
    [
      method,
      'a timestamp that is a number',
      ({ channel, queue }) => channel[method]('', queue, 'b', wrong({ timestamp: 5 })),
      ArgumentError,
      /^timestamp/,
    ],
    [
      method,
      'headers over frame_max',
      ({ channel, queue }) => channel[method]('', queue, 'b', { headers: { a: 'x'.repeat(200_000) } }),
      ArgumentError,
      /frame/,
    ],
    ...flags(method, ({ channel, queue }, options) => channel[method]('', queue, 'b', {}, options), 'mandatory'),
    [method, 'on a closed channel', ({ closed, queue }) => closed[method]('', queue, 'b'), NotSentError, /closed/],
    [
      method,
      'on a channel of a closed connection',
      ({ closedOfGone, queue }) => closedOfGone[method]('', queue, 'b'),
      NotSentError,
      /closed/,
    ],
  ]),
  ...counts(
    'publish',
    ({ channel, queue }, timeout) => channel.publish('', queue, 'b', {}, { timeout }),
    'timeout',
  ).filter(([, fault]) => fault !== 'timeout: undefined'),
  [
    'publish',
    'a signal that is none',
    ({ channel, queue }) => channel.publish('', queue, 'b', {}, wrong({ signal: {} })),
    ArgumentError,
    /^signal: must be an AbortSignal/,
  ],
  [
    'publish',
    'on a channel without confirms',
    ({ plain, queue }) => plain.publish('', queue, 'b'),
    WrongStateError,
    /no confirms/,
  ],
  [
    'waitForConfirms',
    'on a channel without confirms',
    ({ plain }) => plain.waitForConfirms(),
    WrongStateError,
    /no confirms/,
  ],
  ...afterClose('drained', (channel) => channel.drained()),
  ...afterClose('confirmSelect', (channel) => channel.confirmSelect()),

  // --- transactions
  ['txSelect', 'on a channel with confirms', ({ channel }) => channel.txSelect(), WrongStateError, /confirms/],
  ['txCommit', 'without txSelect', ({ plain }) => plain.txCommit(), WrongStateError, /txSelect/],
  ['txRollback', 'without txSelect', ({ plain }) => plain.txRollback(), WrongStateError, /txSelect/],
  ...afterClose('txSelect', async (channel) => {
    channel.keeper.settings.isConfirming = false;
    await channel.txSelect();
  }),

  // --- consuming
  ...counts('basicQos', ({ channel }, prefetch) => channel.basicQos(prefetch), 'prefetch'),
  ['basicQos', 'over 65 535', ({ channel }) => channel.basicQos(65_536), ArgumentError, /from 0 to 65535/],
  ...flags('basicQos', ({ channel }, options) => channel.basicQos(1, options), 'global'),
  ...afterClose('basicQos', (channel) => channel.basicQos(1)),
  ...names('basicConsume', ({ channel }, name) => channel.basicConsume(name, nothing), 'queue'),
  [
    'basicConsume',
    'no callback',
    ({ channel, queue }) => channel.basicConsume(queue, wrong(undefined)),
    ArgumentError,
    /^onDelivery: must be a function/,
  ],
  [
    'basicConsume',
    'options for the callback',
    ({ channel, queue }) => channel.basicConsume(queue, wrong({ noAck: true })),
    ArgumentError,
    /^onDelivery/,
  ],
  ...names(
    'basicConsume',
    ({ channel, queue }, consumerTag) => channel.basicConsume(queue, nothing, { consumerTag }),
    'consumer tag?',
  ),
  ...counts(
    'basicConsume',
    ({ channel, queue }, prefetch) => channel.basicConsume(queue, nothing, { prefetch }),
    'prefetch',
  ),
  ...tables(
    'basicConsume',
    ({ channel, queue }, table) => channel.basicConsume(queue, nothing, { arguments: table }),
    'arguments',
  ),
  ...flags(
    'basicConsume',
    ({ channel, queue }, options) => channel.basicConsume(queue, nothing, options),
    'noAck',
    'exclusive',
  ),
  [
    'basicConsume',
    'a tag that is taken',
    async ({ plain, queue }) => {
      await plain.basicConsume(queue, nothing, { consumerTag: 'taken' });
      await plain.basicConsume(queue, nothing, { consumerTag: 'taken' });
    },
    DuplicateConsumerTagError,
    /"taken" is in use/,
  ],
  ...afterClose('basicConsume', (channel) => channel.basicConsume('q', nothing)),
  ...names('basicCancel', ({ channel }, name) => channel.basicCancel(name), 'consumer tag'),
  ...names('consume', ({ channel }, name) => channel.consume(name), 'queue'),
  ...counts(
    'consume',
    ({ channel, queue }, inactivityTimeout) => channel.consume(queue, { inactivityTimeout }),
    'inactivityTimeout',
  ),
  ...flags('consume', ({ channel, queue }, options) => channel.consume(queue, options), 'noAck', 'exclusive'),
  ...afterClose('consume', (channel) => channel.consume('q').next()),
  ...names('basicGet', ({ channel }, name) => channel.basicGet(name), 'queue'),
  ...flags('basicGet', ({ channel, queue }, options) => channel.basicGet(queue, options), 'noAck'),
  ...afterClose('basicGet', (channel) => channel.basicGet('q')),
  ['channelFlow', 'false', ({ channel }) => channel.channelFlow(false), ArgumentError, /RabbitMQ does not implement/],
  [
    'channelFlow',
    'no boolean',
    ({ channel }) => channel.channelFlow(wrong('on')),
    ArgumentError,
    /must be true or false/,
  ],
  ...afterClose('channelFlow', (channel) => channel.channelFlow(true)),

  // --- settling
  ...(['basicAck', 'basicNack', 'basicReject'] as const).flatMap((method): Row[] => [
    ...counts(method, ({ channel }, tag) => channel[method](tag), 'delivery tag'),
    [method, '0 without multiple', ({ channel }) => channel[method](0), ArgumentError, /0 is all/],
    [method, 'a tag of the future', ({ channel }) => channel[method](1_000), WrongStateError, /has not delivered 1000/],
    [
      method,
      'a tag of another channel',
      ({ plain, delivery }) => plain[method](delivery.deliveryTag),
      WrongStateError,
      /has not delivered/,
    ],
    [
      method,
      'settled before',
      ({ channel, delivery }) => {
        delivery.nack();
        channel[method](delivery.deliveryTag);
      },
      AlreadySettledError,
      /settled before/,
    ],
    ...flags(
      method,
      ({ channel }, options) => channel[method](1, options),
      method === 'basicAck' ? 'multiple' : 'requeue',
    ),
  ]),
  ...(['ack', 'nack', 'reject'] as const).flatMap((method): Row[] => [
    [
      method,
      'twice',
      ({ delivery }) => {
        delivery.nack();
        delivery[method]();
      },
      AlreadySettledError,
      /settled before/,
    ],
    [
      method,
      'noAck',
      async ({ channel, queue, delivery }) => {
        delivery.nack();
        let next: Delivery | null = null;
        while (!next) next = await channel.basicGet(queue, { noAck: true });
        next[method]();
      },
      WrongStateError,
      /noAck/,
    ],
    ...flags(method, ({ delivery }, options) => delivery[method](options), method === 'ack' ? 'multiple' : 'requeue'),
  ]),
  ['json', 'a body that is no JSON', ({ delivery }) => delivery.json(), Error, /is not JSON/],
  [
    'basicRecover',
    'without requeue',
    ({ channel }) => channel.basicRecover({ requeue: false }),
    ArgumentError,
    /RabbitMQ does not implement/,
  ],
  ...flags('basicRecover', ({ channel }, options) => channel.basicRecover(options), 'requeue'),
  ...afterClose('basicRecover', (channel) => channel.basicRecover()),

  // --- channel and connection
  ...counts('close', ({ channel }, replyCode) => channel.close({ replyCode }), 'reply code'),
  ...names('close', ({ channel }, replyText) => channel.close({ replyText }), 'reply text?'),
  ...counts('close', ({ connection }, replyCode) => connection.close({ replyCode }), 'connection: reply code'),
  ...(['on', 'once'] as const).map((method): Row => [
    method,
    'no listener',
    ({ channel }) => channel[method]('closed', wrong(undefined)),
    ArgumentError,
    /^listener: must be a function/,
  ]),
  ...counts('openChannel', ({ connection }, prefetch) => connection.openChannel({ prefetch }), 'prefetch'),
  ...flags('openChannel', ({ connection }, options) => connection.openChannel(options), 'confirm'),
  ['openChannel', 'on a closed connection', ({ gone }) => gone.openChannel(), ConnectionClosedError, /closed/],
  ['updateSecret', 'no secret', ({ connection }) => connection.updateSecret(wrong(undefined)), ArgumentError, /secret/],
  ['updateSecret', 'a number', ({ connection }) => connection.updateSecret(wrong(5)), ArgumentError, /secret/],
  ...names('updateSecret', ({ connection }, reason) => connection.updateSecret('guest', reason), 'reason?'),
  ['updateSecret', 'on a closed connection', ({ gone }) => gone.updateSecret('guest'), ConnectionClosedError, /closed/],
  ['share', 'on a closed connection', ({ gone }) => gone.share(), ConnectionClosedError, /closed/],
  ...[7, null, [7], new Map(), new URL('amqp://localhost'), true].map((value): Row => [
    'connect',
    Object.prototype.toString.call(value),
    () => connect(wrong(value)),
    ParametersError,
    /invalid connection parameters/,
  ]),
];

/** Members that take nothing and wait for nobody, or that any state allows. */
const harmless: Readonly<Record<string, string>> = {
  constructor: 'made by us alone',
  emit: 'not public',
  call: 'not public',
  off: 'what is not there is no error',
  listenerCount: 'a count',
  cancel: 'any state allows it',
  text: 'any bytes are text',
};

function methodsOf(kind: { readonly prototype: object }): string[] {
  const methods: string[] = [];
  for (let at: object = kind.prototype; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === 'function') methods.push(name);
    }
  }
  return methods;
}

test('every method of the public classes is in the table', () => {
  const tried = new Set(rows.map(([method]) => method));
  const methods = [Connection, Channel, Delivery].flatMap(methodsOf);
  expect(methods.filter((name) => !tried.has(name) && !Object.hasOwn(harmless, name))).toEqual([]);
  expect(methods.length).toBeGreaterThan(40);
});

async function outcome(call: () => unknown): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    return error;
  }
}

describeOnBrokers('bad input', (broker: TestBroker) => {
  let scene: Scene;
  const losses: unknown[] = [];

  beforeEach(async () => {
    const [connection, gone] = await Promise.all([connect(broker.url), connect(broker.url)]);
    const [channel, plain, closed, closedOfGone] = await Promise.all([
      connection.openChannel({ confirm: true }),
      connection.openChannel(),
      connection.openChannel({ confirm: true }),
      gone.openChannel({ confirm: true }),
    ]);
    await Promise.all([closed.close(), gone.close()]);
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    await channel.publish('', queue, 'one');
    const delivery = await channel.basicGet(queue);
    if (!delivery) throw new Error('one was published');
    losses.length = 0;
    connection.on('lost', (event) => losses.push(event));
    for (const each of [channel, plain]) each.on('lost', (event) => losses.push(event));
    scene = { connection, channel, queue, delivery, plain, closed, gone, closedOfGone };
  });

  afterEach(async () => {
    await scene.connection.close();
  });

  // A test a method, since a connection for each of the rows would take minutes.
  const methods = [...new Set(rows.map(([method]) => method))];
  test.each(methods)('%s', async (method) => {
    const own = rows.filter(([name]) => name === method);
    for (const [, fault, call, kind, says] of own) {
      if (scene.delivery.isSettled) {
        const again = await scene.channel.basicGet(scene.queue);
        if (again) scene = { ...scene, delivery: again };
        else {
          await scene.channel.publish('', scene.queue, 'one');
          const next = await scene.channel.basicGet(scene.queue);
          if (next) scene = { ...scene, delivery: next };
        }
      }
      const error = await outcome(() => call(scene));
      expect([fault, error]).toEqual([fault, expect.any(kind)]);
      expect([fault, (error as Error).message]).toEqual([fault, expect.stringMatching(says)]);
      expect((error as Error).message.length).toBeLessThan(1_000);
    }
    expect(own.length).toBeGreaterThan(0);
    // Nothing was sent that the broker minded, and nothing was half done.
    await scene.channel.publish('', scene.queue, 'still alive');
    await scene.plain.queueExists(scene.queue);
    expect(losses).toEqual([]);
    expect(scene.connection.epoch).toBe(1);
    expect(scene.connection.topology.queues).toHaveLength(1);
    expect(scene.connection.topology.exchanges).toEqual([]);
    expect(scene.connection.topology.bindings).toEqual([]);
  });
});
