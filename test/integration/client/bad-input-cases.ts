/**
 * Method, fault, expected error: what each method of the client does with what it cannot use. Data for
 * bad-input.test.ts, which proves after every row that nothing was sent and that the channel lives.
 */
import {
  AlreadySettledError,
  ArgumentError,
  ChannelClosedError,
  connect,
  ConnectionClosedError,
  connectShared,
  DuplicateConsumerTagError,
  MessageFormatError,
  NotSentError,
  ParametersError,
  WrongStateError,
  type Channel,
  type Connection,
  type Consumer,
  type Delivery,
  type DeliveryStream,
} from 'leveret/amqp';
import {
  badBodies,
  badBooleans,
  badCounts,
  badMilliseconds,
  badNames,
  badSignals,
  badTables,
  notFunctions,
  notObjects,
  notTexts,
  oversizedTables,
  throwingGetter,
  type BadValue,
} from './bad-values.js';

/** What the rows act on. Nothing in it is changed by a row. */
export interface Scene {
  readonly url: string;
  readonly connection: Connection;
  /** With confirms. */
  readonly channel: Channel;
  readonly queue: string;
  readonly plainChannel: Channel;
  readonly transactionalChannel: Channel;
  /** Of a queue that stays empty; on `channel`, with the tag `taken`. */
  readonly consumer: Consumer;
  readonly delivery: Delivery;
  readonly settledDelivery: Delivery;
  readonly noAckDelivery: Delivery;
  /** Three that were not settled, of a life of their channel that is over. */
  readonly staleDeliveries: readonly Delivery[];
  readonly recoveredChannel: Channel;
  /** The highest tag of another channel, which `channel` has not reached. */
  readonly foreignTag: number;
  readonly closedChannel: Channel;
  readonly closedConsumer: Consumer;
  readonly closedConnection: Connection;
  readonly orphanedChannel: Channel;
  /** The same two without confirms. */
  readonly closedPlainChannel: Channel;
  readonly orphanedPlainChannel: Channel;
  /** A stream that is not begun; of `channel`. */
  stream(): DeliveryStream;
  /** A stream that ended. */
  readonly endedStream: DeliveryStream;
}

type ErrorClass = abstract new (...values: never[]) => Error;

export interface Row {
  /** Class and method, as in `Channel.queueDeclare`. */
  readonly method: string;
  readonly fault: string;
  readonly call: (scene: Scene) => unknown;
  /** The error; or what it gives where the call is harmless. */
  readonly expected: ErrorClass | { readonly gives: unknown };
  /** What the error must name: ArgumentError its argument, ParametersError one of the faults, others their message. */
  readonly naming?: string | undefined;
}

export const rows: Row[] = [];

function row(method: string, fault: string, call: Row['call'], expected: Row['expected'], naming?: string): void {
  rows.push({ method, fault, call, expected, naming });
}

/** The same argument with each bad value. */
function argument(
  method: string,
  name: string,
  values: readonly BadValue[],
  call: (scene: Scene, value: never) => unknown,
): void {
  for (const [fault, value] of values) {
    row(method, `${name}: ${fault}`, (scene) => call(scene, value as never), ArgumentError, name);
  }
}

function tables(method: string, name: string, call: (scene: Scene, table: never) => unknown): void {
  argument(method, name, notObjects, call);
  for (const [fault, table, path] of badTables) {
    row(method, `${name}: ${fault}`, (scene) => call(scene, table as never), ArgumentError, `${name}${path}`);
  }
  for (const [fault, table] of oversizedTables) {
    row(method, `${name}: ${fault}`, (scene) => call(scene, table as never), ArgumentError);
  }
}

type Kind = 'boolean' | 'name' | 'prefetch' | 'milliseconds' | 'signal' | 'code' | 'table';
const valuesOf: Record<Exclude<Kind, 'table'>, readonly BadValue[]> = {
  boolean: badBooleans,
  name: badNames,
  prefetch: [...badCounts, ['one too many', 65_536]],
  code: [...badCounts, ['one too many', 65_536]],
  milliseconds: badMilliseconds,
  signal: badSignals,
};

/** Options that are no object, are unknown, of the wrong kind, inherited and wrong, or cannot be read. */
function options(
  method: string,
  known: Readonly<Record<string, Kind>>,
  call: (scene: Scene, options: never) => unknown,
): void {
  for (const [fault, value] of notObjects) {
    row(method, `options: ${fault}`, (scene) => call(scene, value as never), ArgumentError, 'options');
  }
  row(method, 'an unknown option', (scene) => call(scene, { durabel: true } as never), ArgumentError, 'durabel');
  for (const [name, kind] of Object.entries(known)) {
    const wrong = { [name]: Symbol('wrong') };
    const ofClass = Object.create(Object.defineProperty({}, name, { get: () => Symbol('wrong') })) as object;
    row(method, `${name}: inherited and wrong`, (s) => call(s, Object.create(wrong) as never), ArgumentError, name);
    row(method, `${name}: wrong, of a class`, (s) => call(s, ofClass as never), ArgumentError, name);
    row(method, `${name}: a getter that throws`, (s) => call(s, throwingGetter(name) as never), Error);
    if (kind === 'table') tables(method, name, (scene, table) => call(scene, { [name]: table } as never));
    else argument(method, name, valuesOf[kind], (scene, value) => call(scene, { [name]: value } as never));
  }
}

// --- exchanges and queues ---------------------------------------------------------------------------

argument('Channel.exchangeDeclare', 'exchange', badNames, ({ channel }, name) =>
  channel.exchangeDeclare(name, 'topic'),
);
argument('Channel.exchangeDeclare', 'type', badNames, ({ channel }, type) => channel.exchangeDeclare('bad', type));
options(
  'Channel.exchangeDeclare',
  { durable: 'boolean', autoDelete: 'boolean', internal: 'boolean', passive: 'boolean', arguments: 'table' },
  ({ channel }, given) => channel.exchangeDeclare('bad', 'topic', given),
);
argument('Channel.exchangeDelete', 'exchange', badNames, ({ channel }, name) => channel.exchangeDelete(name));
options('Channel.exchangeDelete', { ifUnused: 'boolean' }, (s, given) => s.channel.exchangeDelete('bad', given));
argument('Channel.exchangeExists', 'exchange', badNames, ({ channel }, name) => channel.exchangeExists(name));
for (const name of ['exchangeBind', 'exchangeUnbind'] as const) {
  const method = `Channel.${name}`;
  argument(method, 'destination', badNames, ({ channel }, value) => channel[name](value, 'amq.fanout'));
  argument(method, 'source', badNames, ({ channel }, value) => channel[name]('amq.fanout', value));
  argument(method, 'routingKey', badNames, ({ channel }, key) => channel[name]('amq.fanout', 'amq.topic', key));
  tables(method, 'arguments', ({ channel }, table) => channel[name]('amq.fanout', 'amq.topic', 'k', table));
}
argument('Channel.queueDeclare', 'queue', badNames, ({ channel }, name) => channel.queueDeclare(name));
options(
  'Channel.queueDeclare',
  { durable: 'boolean', exclusive: 'boolean', autoDelete: 'boolean', passive: 'boolean', arguments: 'table' },
  ({ channel }, given) => channel.queueDeclare('bad', given),
);
argument('Channel.queueDelete', 'queue', badNames, ({ channel }, name) => channel.queueDelete(name));
options('Channel.queueDelete', { ifUnused: 'boolean', ifEmpty: 'boolean' }, ({ channel, queue }, given) =>
  channel.queueDelete(queue, given),
);
argument('Channel.queuePurge', 'queue', badNames, ({ channel }, name) => channel.queuePurge(name));
argument('Channel.queueExists', 'queue', badNames, ({ channel }, name) => channel.queueExists(name));
for (const name of ['queueBind', 'queueUnbind'] as const) {
  const method = `Channel.${name}`;
  argument(method, 'queue', badNames, ({ channel }, value) => channel[name](value, 'amq.topic'));
  argument(method, 'exchange', badNames, ({ channel, queue }, value) => channel[name](queue, value));
  argument(method, 'routingKey', badNames, ({ channel, queue }, key) => channel[name](queue, 'amq.topic', key));
  tables(method, 'arguments', ({ channel, queue }, table) => channel[name](queue, 'amq.topic', 'k', table));
}

// --- publishing -----------------------------------------------------------------------------------------

for (const name of ['publish', 'basicPublish'] as const) {
  const method = `Channel.${name}`;
  argument(method, 'exchange', badNames, ({ channel, queue }, value) => channel[name](value, queue, 'x'));
  argument(method, 'routingKey', badNames, ({ channel }, value) => channel[name]('', value, 'x'));
  argument(method, 'body', badBodies, ({ channel, queue }, value) => channel[name]('', queue, value));
  argument(method, 'properties', notObjects, ({ channel, queue }, value) => channel[name]('', queue, 'x', value));
  const property = (property: string, values: readonly BadValue[]): void => {
    argument(method, property, values, (s, value) => s.channel[name]('', s.queue, 'x', { [property]: value }));
  };
  for (const shortText of [
    ...(['contentType', 'contentEncoding', 'correlationId', 'replyTo', 'messageId'] as const),
    ...(['type', 'userId', 'appId', 'clusterId'] as const),
  ]) {
    property(shortText, badNames);
  }
  property('deliveryMode', [...badCounts, ['zero', 0], ['three', 3]]);
  property('priority', [...badCounts, ['over 255', 300]]);
  property('expiration', [...notTexts, ['no number', 'abc'], ['negative', '-1'], ['fractional', '1.5']]);
  property('expiration', [
    ['empty', ''],
    ['over ten years', '315360000001'],
  ]);
  property('timestamp', [
    ['a number', 1_700_000_000],
    ['a text', '2026-01-01'],
    ['null', null],
    ['an invalid date', new Date(Number.NaN)],
    ['before 1970', new Date(-1)],
  ]);
  property('persistent', badBooleans);
  property('contentTyp', [['an unknown property', 'text/plain']]);
  tables(method, 'headers', (s, headers) => s.channel[name]('', s.queue, 'x', { headers }));
  row(
    method,
    'properties of a class, one of them wrong',
    ({ channel, queue }) =>
      channel[name]('', queue, 'x', Object.create({ priority: 5, get contentType() { return 5; } }) as never), // prettier-ignore
    ArgumentError,
    'contentType',
  );
  row(
    method,
    'a property that cannot be read',
    ({ channel, queue }) => channel[name]('', queue, 'x', throwingGetter('contentType')),
    ArgumentError,
    'contentType',
  );
  row(method, 'the channel is closed', (s) => s.closedChannel[name]('', s.queue, 'x'), NotSentError, 'closed');
  row(method, 'the connection is closed', (s) => s.orphanedChannel[name]('', s.queue, 'x'), NotSentError, 'closed');
}
options('Channel.basicPublish', { mandatory: 'boolean' }, ({ channel, queue }, given) =>
  channel.basicPublish('', queue, 'x', undefined, given),
);
options(
  'Channel.publish',
  { mandatory: 'boolean', timeout: 'milliseconds', signal: 'signal' },
  ({ channel, queue }, given) => channel.publish('', queue, 'x', undefined, given),
);
row('Channel.publish', 'no confirms', (s) => s.plainChannel.publish('', s.queue, 'x'), WrongStateError, 'confirm');
row('Channel.waitForConfirms', 'no confirms', (s) => s.plainChannel.waitForConfirms(), WrongStateError, 'confirm');
row('Channel.confirmSelect', 'transactions', (s) => s.transactionalChannel.confirmSelect(), WrongStateError);
row('Channel.txSelect', 'confirms', ({ channel }) => channel.txSelect(), WrongStateError, 'confirms');
row('Channel.txCommit', 'no transactions', ({ channel }) => channel.txCommit(), WrongStateError, 'txSelect');
row('Channel.txRollback', 'no transactions', ({ channel }) => channel.txRollback(), WrongStateError, 'txSelect');

// --- consuming ------------------------------------------------------------------------------------------

const consumeOptions = {
  consumerTag: 'name',
  noAck: 'boolean',
  exclusive: 'boolean',
  prefetch: 'prefetch',
  arguments: 'table',
} as const;
const ignore = (): undefined => undefined;
argument('Channel.basicConsume', 'queue', [...badNames, ['undefined', undefined]], ({ channel }, queue) =>
  channel.basicConsume(queue, ignore),
);
argument('Channel.basicConsume', 'onDelivery', notFunctions, ({ channel, queue }, callback) =>
  channel.basicConsume(queue, callback),
);
options('Channel.basicConsume', consumeOptions, (s, given) => s.channel.basicConsume(s.queue, ignore, given));
row(
  'Channel.basicConsume',
  'a tag that is taken',
  ({ channel, queue }) => channel.basicConsume(queue, ignore, { consumerTag: 'taken' }),
  DuplicateConsumerTagError,
  'taken',
);
argument('Channel.consume', 'queue', badNames, ({ channel }, queue) => channel.consume(queue));
options('Channel.consume', { ...consumeOptions, inactivityTimeout: 'milliseconds' }, (s, given) =>
  s.channel.consume(s.queue, given).next(),
);
argument('Channel.basicGet', 'queue', badNames, ({ channel }, queue) => channel.basicGet(queue));
options('Channel.basicGet', { noAck: 'boolean' }, ({ channel, queue }, given) => channel.basicGet(queue, given));
argument('Channel.basicCancel', 'consumerTag', badNames, ({ channel }, tag) => channel.basicCancel(tag));
row('Channel.basicCancel', 'an unknown tag', ({ channel }) => channel.basicCancel('unknown'), { gives: undefined });
row('Channel.cancel', 'no pull streams', ({ channel }) => channel.cancel(), { gives: 0 });
argument('Channel.basicQos', 'prefetch', valuesOf.prefetch, ({ channel }, count) => channel.basicQos(count));
options('Channel.basicQos', { global: 'boolean' }, ({ channel }, given) => channel.basicQos(5, given));
argument('Channel.channelFlow', 'active', [...badBooleans, ['false', false]], ({ channel }, active) =>
  channel.channelFlow(active),
);
options('Channel.basicRecover', { requeue: 'boolean' }, ({ channel }, given) => channel.basicRecover(given));
argument('Channel.basicRecover', 'requeue', [['false', false]], (s, requeue) => s.channel.basicRecover({ requeue }));
const ended = { done: true, value: undefined };
row('Consumer.cancel', 'its channel is closed', (s) => s.closedConsumer.cancel(), { gives: undefined });
row('Consumer.[asyncDispose]', 'its channel is closed', (s) => s.closedConsumer[Symbol.asyncDispose](), {
  gives: undefined,
});
row('DeliveryStream.next', 'it ended', (s) => s.endedStream.next(), { gives: ended });
row('DeliveryStream.next', 'the channel is closed', (s) => s.closedChannel.consume(s.queue).next(), ChannelClosedError);
row('DeliveryStream.return', 'it ended', (s) => s.endedStream.return(), { gives: ended });
row('DeliveryStream.return', 'it never began', (s) => s.stream().return(), { gives: ended });
row('DeliveryStream.cancel', 'it ended', (s) => s.endedStream.cancel(), { gives: 0 });
row('DeliveryStream.cancel', 'it never began', (s) => s.stream().cancel(), { gives: 0 });
row('DeliveryStream.throw', 'an error', (s) => s.stream().throw(new RangeError('mine')), RangeError, 'mine');
row('DeliveryStream.[asyncIterator]', 'it ended', (s) => s.endedStream[Symbol.asyncIterator]().next(), {
  gives: ended,
});

// --- settling -------------------------------------------------------------------------------------------

const settlements = [
  ['ack', 'basicAck', { multiple: 'boolean' }],
  ['nack', 'basicNack', { multiple: 'boolean', requeue: 'boolean' }],
  ['reject', 'basicReject', { requeue: 'boolean' }],
] as const;
for (const [index, [onDelivery, onChannel, known]] of settlements.entries()) {
  const [method, byTag] = [`Delivery.${onDelivery}`, `Channel.${onChannel}`];
  options(method, known, ({ delivery }, given) => delivery[onDelivery](given));
  row(method, 'a second time', (s) => s.settledDelivery[onDelivery](), AlreadySettledError);
  row(method, 'it came with noAck', (s) => s.noAckDelivery[onDelivery](), WrongStateError, 'noAck');
  options(byTag, known, ({ channel, delivery }, given) => channel[onChannel](delivery.deliveryTag, given));
  argument(byTag, 'deliveryTag', [...badCounts, ['undefined', undefined], ['zero', 0]], ({ channel }, tag) =>
    channel[onChannel](tag),
  );
  row(byTag, 'a second time', (s) => s.channel[onChannel](s.settledDelivery.deliveryTag), AlreadySettledError);
  row(byTag, 'it came with noAck', (s) => s.channel[onChannel](s.noAckDelivery.deliveryTag), AlreadySettledError);
  row(byTag, 'a tag of another channel', (s) => s.channel[onChannel](s.foreignTag), WrongStateError, 'not delivered');
  row(byTag, 'a tag of the future, and the channel is closed', (s) => s.closedChannel[onChannel](9), WrongStateError);
  row(method, 'of an earlier epoch', (s) => s.staleDeliveries[index]?.[onDelivery](), { gives: 'stale' });
  row(byTag, 'of an earlier epoch', (s) => s.recoveredChannel[onChannel](index + 1), { gives: 'stale' });
}
row('Delivery.json', 'the body is not JSON', ({ delivery }) => delivery.json(), MessageFormatError, 'not JSON');
row('Delivery.text', 'the body is not UTF-8', ({ delivery }) => delivery.text(), { gives: 'not JSON \ufffd' });

// --- events ---------------------------------------------------------------------------------------------

for (const owner of ['Channel', 'Connection'] as const) {
  const of = (s: Scene): { on: Channel['on']; once: Channel['once']; off: Channel['off'] } & Pick<Channel, 'listenerCount'> =>
    (owner === 'Channel' ? s.channel : s.connection) as Channel; // prettier-ignore
  argument(`${owner}.on`, 'listener', notFunctions, (s, listener) => of(s).on('closed', listener));
  argument(`${owner}.once`, 'listener', notFunctions, (s, listener) => of(s).once('closed', listener));
  row(`${owner}.off`, 'a listener that was never there', (s) => void of(s).off('closed', ignore), { gives: undefined });
  row(`${owner}.listenerCount`, 'an event without listeners', (s) => of(s).listenerCount('closed'), { gives: 0 });
}

// --- use after close ------------------------------------------------------------------------------------

const afterClose: Record<string, (channel: Channel, scene: Scene) => unknown> = {
  exchangeDeclare: (channel) => channel.exchangeDeclare('bad', 'fanout'),
  exchangeDelete: (channel) => channel.exchangeDelete('bad'),
  exchangeBind: (channel) => channel.exchangeBind('amq.fanout', 'amq.topic'),
  exchangeUnbind: (channel) => channel.exchangeUnbind('amq.fanout', 'amq.topic'),
  exchangeExists: (channel) => channel.exchangeExists('amq.topic'),
  queueDeclare: (channel) => channel.queueDeclare('bad'),
  queueDelete: (channel, { queue }) => channel.queueDelete(queue),
  queuePurge: (channel, { queue }) => channel.queuePurge(queue),
  queueBind: (channel, { queue }) => channel.queueBind(queue, 'amq.topic'),
  queueUnbind: (channel, { queue }) => channel.queueUnbind(queue, 'amq.topic'),
  queueExists: (channel, { queue }) => channel.queueExists(queue),
  channelFlow: (channel) => channel.channelFlow(true),
  confirmSelect: (channel) => channel.confirmSelect(),
  drained: (channel) => channel.drained(),
  basicQos: (channel) => channel.basicQos(5),
  basicConsume: (channel, { queue }) => channel.basicConsume(queue, ignore),
  basicGet: (channel, { queue }) => channel.basicGet(queue),
  basicRecover: (channel) => channel.basicRecover(),
};
for (const [name, call] of Object.entries(afterClose)) {
  const method = `Channel.${name}`;
  row(method, 'the channel is closed', (s) => call(s.closedChannel, s), ChannelClosedError);
  row(method, 'the connection is closed', (s) => call(s.orphanedChannel, s), ConnectionClosedError);
}
row('Channel.txSelect', 'the channel is closed', (s) => s.closedPlainChannel.txSelect(), ChannelClosedError);
row('Channel.txSelect', 'the connection is closed', (s) => s.orphanedPlainChannel.txSelect(), ConnectionClosedError);
row('Channel.close', 'twice', ({ closedChannel }) => closedChannel.close(), { gives: undefined });
row('Channel.[asyncDispose]', 'twice', (s) => s.closedChannel[Symbol.asyncDispose](), { gives: undefined });
options('Channel.close', { replyCode: 'code', replyText: 'name' }, ({ channel }, given) => channel.close(given));

// --- the connection -------------------------------------------------------------------------------------

options('Connection.openChannel', { prefetch: 'prefetch', confirm: 'boolean' }, ({ connection }, given) =>
  connection.openChannel(given),
);
options('Connection.close', { replyCode: 'code', replyText: 'name' }, (s, given) => s.connection.close(given));
argument(
  'Connection.updateSecret',
  'secret',
  [
    ['null', null],
    ['undefined', undefined],
    ['a number', 5],
    ['an object', {}],
    ['an array', [1]],
    ['a symbol', Symbol('secret')],
  ],
  ({ connection }, secret) => connection.updateSecret(secret),
);
argument('Connection.updateSecret', 'reason', badNames, (s, reason) => s.connection.updateSecret('secret', reason));
row(
  'Connection.updateSecret',
  'a secret over frame_max',
  ({ connection }) => connection.updateSecret('x'.repeat(200_000)),
  ArgumentError,
  'connection.update-secret',
);
for (const method of ['plan', 'apply'] as const) {
  const name = `Connection.${method}`;
  argument(
    name,
    'declarations',
    notObjects.filter(([, value]) => value !== undefined),
    (s, given) => s.connection[method](given),
  );
  argument(name, 'exchanges[0].name', badNames, (s, value) =>
    s.connection[method]({ exchanges: [{ name: value, type: 'topic' }] }),
  );
  argument(name, 'exchanges[0].type', badNames, (s, value) =>
    s.connection[method]({ exchanges: [{ name: 'x', type: value }] }),
  );
  argument(name, 'queues[0].name', badNames, (s, value) => s.connection[method]({ queues: [{ name: value }] }));
  argument(name, 'queues[0].durable', badBooleans, (s, value) =>
    s.connection[method]({ queues: [{ name: 'q', durable: value }] }),
  );
  argument(
    name,
    'bindings[0].routingKey',
    badNames.filter(([, value]) => value !== undefined),
    (s, value) => s.connection[method]({ bindings: [{ source: 'x', destination: 'q', routingKey: value }] }),
  );
  tables(name, 'queues[0].arguments', (s, table) =>
    s.connection[method]({ queues: [{ name: 'q', arguments: table }] }),
  );
  row(name, 'closed', (s) => s.closedConnection[method]({ queues: [{ name: 'q' }] }), ConnectionClosedError);
}
for (const method of ['plan', 'apply'] as const) {
  options(`Connection.${method}`, { signal: 'signal' }, (s, given) => s.connection[method]({}, given));
}
options('Connection.drift', { signal: 'signal', interval: 'milliseconds' }, (s, given) => s.connection.drift(given));
for (const [method, call] of [
  ['Connection.plan', (s: Scene, management: never) => s.connection.plan({}, { management })],
  ['Connection.apply', (s: Scene, management: never) => s.connection.apply({}, { management })],
  ['Connection.drift', (s: Scene, management: never) => s.connection.drift({ management })],
] as const) {
  const url = 'http://guest:guest@localhost:15672';
  argument(method, 'management', notObjects, call);
  argument(
    method,
    'management.url',
    [...notTexts, ['missing', undefined], ['no URL', 'localhost'], ['of AMQP', 'amqp://guest:guest@localhost']],
    (s, value) => call(s, { url: value } as never),
  );
  for (const name of ['username', 'password'] as const) {
    argument(method, `management.${name}`, notTexts, (s, value) => call(s, { url, [name]: value } as never));
  }
  argument(method, 'management.timeout', badMilliseconds, (s, timeout) => call(s, { url, timeout } as never));
  row(
    method,
    'management: an unknown option',
    (s) => call(s, { url, uri: 1 } as never),
    ArgumentError,
    'management.uri',
  );
}
argument('Connection.drift', 'declarations', notObjects, (s, declarations) => s.connection.drift({ declarations }));
argument('Connection.drift', 'queues[0].name', badNames, (s, name) =>
  s.connection.drift({ declarations: { queues: [{ name }] } }),
);
row('Connection.drift', 'closed', (s) => s.closedConnection.drift(), ConnectionClosedError);
row('Connection.openChannel', 'closed', (s) => s.closedConnection.openChannel(), ConnectionClosedError);
row('Connection.rebuild', 'closed', (s) => s.closedConnection.rebuild(), ConnectionClosedError);
row('Connection.updateSecret', 'closed', (s) => s.closedConnection.updateSecret('x'), ConnectionClosedError);
row('Connection.share', 'closed', (s) => s.closedConnection.share(), ConnectionClosedError);
row('Connection.close', 'twice', (s) => s.closedConnection.close(), { gives: undefined });
row('Connection.[asyncDispose]', 'twice', (s) => s.closedConnection[Symbol.asyncDispose](), { gives: undefined });

// --- connect --------------------------------------------------------------------------------------------

function parameter(name: string, values: readonly BadValue[], key = name): void {
  for (const [fault, value] of values) {
    const given = key.split('.').reduceRight<unknown>((inner, part) => ({ [part]: inner }), value) as Record<
      string,
      unknown
    >;
    row('connect', `${name}: ${fault}`, ({ url }) => connect(url, given), ParametersError, key);
  }
}

for (const [fault, value] of [
  ...notObjects.filter(([, given]) => typeof given !== 'string'),
  ['a URL object', new URL('amqp://localhost')] as const,
]) {
  row('connect', `first: ${fault}`, () => connect(value as never), ParametersError);
  row('connect', `second: ${fault}`, ({ url }) => connect(url, value as never), ParametersError);
}
row('connect', 'a list with something else', ({ url }) => connect([url, 5 as never]), ParametersError, 'url');
row('connect', 'another scheme', () => connect('http://localhost'), ParametersError);
row('connect', 'faults in several', ({ url }) => connect(url, { port: 0, frameMax: 1 }), ParametersError, 'frameMax');
parameter('an unknown parameter', [['misspelt', 10]], 'hartbeat');
for (const name of ['virtualHost', 'locale']) parameter(name, [...notTexts, ['256 bytes', 'v'.repeat(256)]]);
for (const name of ['username', 'password', 'connectionName', 'host']) parameter(name, notTexts);
for (const name of [
  ...(['port', 'frameMax', 'maxHeaderSize', 'channelMax', 'heartbeat', 'maxMessageSize', 'maxUnconfirmed'] as const),
  ...(['connectTimeout', 'tlsTimeout', 'handshakeTimeout', 'bringUpTimeout', 'methodTimeout'] as const),
  ...(['blockedTimeout', 'closeTimeout', 'retryDelay', 'recovery.initialDelay', 'recovery.maxDelay'] as const),
  'publishBuffer.timeout',
]) {
  parameter(name, badCounts);
}
const unlimited = badCounts.filter(([fault]) => fault !== 'infinite' && fault !== 'huge');
for (const name of ['attempts', 'recovery.attempts', 'publishBuffer.messages', 'publishBuffer.bytes']) {
  parameter(name, unlimited);
}
const aWord: BadValue = ['a word', 'other'];
for (const name of ['order', 'plaintext', 'recovery.when', 'transport', 'endpoints'])
  parameter(name, [...notTexts, aWord]);
for (const name of ['tls', 'tcp', 'credentials', 'recovery', 'publishBuffer', 'ioThread']) {
  parameter(name, [['null', null], ['a number', 5], ['a symbol', Symbol('own')], ['an array', []], aWord]);
}
parameter('joinAcks', [
  ['null', null],
  ['a number', 1],
  ['a text', 'false'],
]);
parameter('signal', badSignals);
for (const [fault, table] of [...badTables, ...oversizedTables.slice(0, 3)]) {
  parameter('clientProperties', [[fault, table]]);
}
parameter('clientProperties', [['a Map', new Map()]]);

// --- connectShared --------------------------------------------------------------------------------------

argument(
  'connectShared',
  'port',
  [
    ['null', null],
    ['undefined', undefined],
    ['an object', {}],
    ['a number', 5],
    ['a URL', 'amqp://localhost'],
  ],
  (_scene, port) => connectShared(port),
);
for (const [fault, value] of [
  ...notObjects,
  ['of the carrying connection', { heartbeat: 5 }] as const,
  ['out of range', { methodTimeout: -1 }] as const,
]) {
  const call = async ({ connection }: Scene): Promise<unknown> => {
    const port = connection.share();
    try {
      return await connectShared(port, value as never);
    } finally {
      port.close();
    }
  };
  row('connectShared', `parameters: ${fault}`, call, ParametersError);
}
