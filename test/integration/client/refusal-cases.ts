/** The cases of refusals.test.ts: a call, and what the broker says to it. Which version says what is stated here. */
import type { Channel, Connection } from 'leveret/amqp';

export interface Scene {
  readonly channel: Channel;
  /** A channel of another connection. */
  readonly stranger: Channel;
  /** A durable classic queue and a direct exchange, both there already. */
  readonly queue: string;
  readonly exchange: string;
  readonly unique: () => string;
}

/** The reply code; negative where the connection is closed with it; 0 where nothing is refused. */
export type Verdict = number;
export type Case = readonly [
  what: string,
  verdict: Verdict | ((version: number) => Verdict),
  call: (s: Scene) => Promise<unknown>,
];

/** 3.10 is 3.1, 4.0 is 4, 4.3 is 4.03: to be compared. */
export function versionOf(connection: Connection): number {
  const { version } = connection.serverProperties;
  const [major = 0, minor = 0] = (typeof version === 'string' ? version : '').split('.').map(Number);
  return major + minor / 100;
}

const before4 = (then: Verdict, since: Verdict) => (version: number) => (version < 4 ? then : since);
const none = (): undefined => undefined;

async function exclusiveQueue({ stranger }: Scene): Promise<string> {
  return (await stranger.queueDeclare('', { exclusive: true, durable: false })).queue;
}

async function queueOfType(type: string, { channel, unique }: Scene): Promise<string> {
  return (await channel.queueDeclare(unique(), { arguments: { 'x-queue-type': type } })).queue;
}

export const exchanges: Case[] = [
  ['exchangeDeclare: of another type', 406, (s) => s.channel.exchangeDeclare(s.exchange, 'topic')],
  ['exchangeDeclare: else durable', 406, (s) => s.channel.exchangeDeclare(s.exchange, 'direct', { durable: false })],
  [
    'exchangeDeclare: else auto-delete',
    406,
    (s) => s.channel.exchangeDeclare(s.exchange, 'direct', { autoDelete: true }),
  ],
  ['exchangeDeclare: else internal', 406, (s) => s.channel.exchangeDeclare(s.exchange, 'direct', { internal: true })],
  [
    'exchangeDeclare: with other arguments',
    406,
    (s) => s.channel.exchangeDeclare(s.exchange, 'direct', { arguments: { 'alternate-exchange': 'other' } }),
  ],
  ['exchangeDeclare: a reserved name', 403, (s) => s.channel.exchangeDeclare(`amq.${s.unique()}`, 'direct')],
  ['exchangeDeclare: the default exchange', 403, (s) => s.channel.exchangeDeclare('', 'direct')],
  ['exchangeDeclare: a predefined one as it is', 0, (s) => s.channel.exchangeDeclare('amq.direct', 'direct')],
  [
    'exchangeDeclare: passive, and missing',
    404,
    (s) => s.channel.exchangeDeclare(s.unique(), 'direct', { passive: true }),
  ],
  [
    'exchangeDeclare: passive, of another type',
    0,
    (s) => s.channel.exchangeDeclare(s.exchange, 'topic', { passive: true }),
  ],
  ['exchangeDeclare: of an unknown type', before4(-503, 406), (s) => s.channel.exchangeDeclare(s.unique(), 'nonsense')],
  [
    'exchangeDelete: ifUnused, and it is a source',
    406,
    async (s) => {
      await s.channel.queueBind(s.queue, s.exchange, 'key');
      await s.channel.exchangeDelete(s.exchange, { ifUnused: true });
    },
  ],
  ['exchangeDelete: a predefined one', 403, (s) => s.channel.exchangeDelete('amq.direct')],
  ['exchangeDelete: the default exchange', 403, (s) => s.channel.exchangeDelete('')],
  ['exchangeDelete: missing', 0, (s) => s.channel.exchangeDelete(s.unique())],
  ['exchangeBind: the source is missing', 404, (s) => s.channel.exchangeBind(s.exchange, s.unique())],
  ['exchangeBind: the destination is missing', 404, (s) => s.channel.exchangeBind(s.unique(), s.exchange)],
  ['exchangeBind: from the default exchange', 403, (s) => s.channel.exchangeBind(s.exchange, '')],
  ['exchangeBind: to the default exchange', 403, (s) => s.channel.exchangeBind('', s.exchange)],
  ['exchangeUnbind: the source is missing', 0, (s) => s.channel.exchangeUnbind(s.exchange, s.unique())],
  ['exchangeUnbind: the destination is missing', 0, (s) => s.channel.exchangeUnbind(s.unique(), s.exchange)],
  ['exchangeUnbind: the binding is missing', 0, (s) => s.channel.exchangeUnbind(s.exchange, 'amq.direct', 'key')],
  ['exchangeUnbind: the default exchange', 403, (s) => s.channel.exchangeUnbind(s.exchange, '')],
];

const quorum = { 'x-queue-type': 'quorum' };
export const queues: Case[] = [
  ['queueDeclare: else durable', 406, (s) => s.channel.queueDeclare(s.queue, { durable: false })],
  ['queueDeclare: else auto-delete', 406, (s) => s.channel.queueDeclare(s.queue, { autoDelete: true })],
  ['queueDeclare: else exclusive', 405, (s) => s.channel.queueDeclare(s.queue, { exclusive: true })],
  [
    'queueDeclare: with other arguments',
    406,
    (s) => s.channel.queueDeclare(s.queue, { arguments: { 'x-max-length': 5 } }),
  ],
  [
    'queueDeclare: an argument of no sense',
    406,
    (s) => s.channel.queueDeclare(s.unique(), { arguments: { 'x-expires': 0 } }),
  ],
  ['queueDeclare: a reserved name', 403, (s) => s.channel.queueDeclare(`amq.${s.unique()}`)],
  ['queueDeclare: passive, and missing', 404, (s) => s.channel.queueDeclare(s.unique(), { passive: true })],
  [
    'queueDeclare: passive, exclusive to another connection',
    405,
    async (s) => s.channel.queueDeclare(await exclusiveQueue(s), { passive: true }),
  ],
  [
    'queueDeclare: a quorum queue that is exclusive',
    406,
    (s) => s.channel.queueDeclare(s.unique(), { exclusive: true, arguments: quorum }),
  ],
  [
    'queueDeclare: a quorum queue that is auto-delete',
    406,
    (s) => s.channel.queueDeclare(s.unique(), { autoDelete: true, arguments: quorum }),
  ],
  [
    'queueDeclare: a quorum queue that is not durable',
    406,
    (s) => s.channel.queueDeclare(s.unique(), { durable: false, arguments: quorum }),
  ],
  ['queueDeclare: a quorum queue named by the broker', 406, (s) => s.channel.queueDeclare('', { arguments: quorum })],
  [
    'queueDelete: ifUnused, and it has a consumer',
    406,
    async (s) => {
      await s.stranger.basicConsume(s.queue, none);
      await s.channel.queueDelete(s.queue, { ifUnused: true });
    },
  ],
  [
    'queueDelete: ifEmpty, and it has messages',
    406,
    async (s) => {
      await s.channel.publish('', s.queue, 'one');
      await s.channel.queueDelete(s.queue, { ifEmpty: true });
    },
  ],
  [
    'queueDelete: ifEmpty, and all its messages are on their way',
    0,
    async (s) => {
      const { queue } = await s.channel.queueDeclare(s.unique());
      await s.channel.publish('', queue, 'one');
      await s.channel.basicGet(queue);
      await s.channel.queueDelete(queue, { ifEmpty: true });
    },
  ],
  [
    'queueDelete: ifUnused on a quorum queue',
    -540,
    async (s) => s.channel.queueDelete(await queueOfType('quorum', s), { ifUnused: true }),
  ],
  [
    'queueDelete: ifEmpty on a quorum queue',
    -540,
    async (s) => s.channel.queueDelete(await queueOfType('quorum', s), { ifEmpty: true }),
  ],
  ['queueDelete: exclusive to another connection', 405, async (s) => s.channel.queueDelete(await exclusiveQueue(s))],
  ['queueDelete: missing', 0, (s) => s.channel.queueDelete(s.unique(), { ifEmpty: true, ifUnused: true })],
  ['queuePurge: missing', 404, (s) => s.channel.queuePurge(s.unique())],
  ['queuePurge: exclusive to another connection', 405, async (s) => s.channel.queuePurge(await exclusiveQueue(s))],
  ['queuePurge: a stream', -540, async (s) => s.channel.queuePurge(await queueOfType('stream', s))],
  ['queueBind: the queue is missing', 404, (s) => s.channel.queueBind(s.unique(), s.exchange)],
  ['queueBind: the exchange is missing', 404, (s) => s.channel.queueBind(s.queue, s.unique())],
  ['queueBind: the default exchange', 403, (s) => s.channel.queueBind(s.queue, '', s.queue)],
  [
    'queueBind: exclusive to another connection',
    405,
    async (s) => s.channel.queueBind(await exclusiveQueue(s), s.exchange),
  ],
  [
    'queueBind: arguments of no sense',
    406,
    (s) => s.channel.queueBind(s.queue, 'amq.headers', '', { 'x-match': 'some' }),
  ],
  ['queueUnbind: the queue is missing', 0, (s) => s.channel.queueUnbind(s.unique(), s.exchange)],
  ['queueUnbind: the exchange is missing', 0, (s) => s.channel.queueUnbind(s.queue, s.unique())],
  ['queueUnbind: the binding is missing', 0, (s) => s.channel.queueUnbind(s.queue, s.exchange, 'key')],
  ['queueUnbind: the default exchange', 403, (s) => s.channel.queueUnbind(s.queue, '', s.queue)],
  [
    'queueUnbind: exclusive to another connection',
    405,
    async (s) => {
      const queue = await exclusiveQueue(s);
      await s.stranger.queueBind(queue, s.exchange);
      await s.channel.queueUnbind(queue, s.exchange);
    },
  ],
];

export const messages: Case[] = [
  ['publish: no such exchange', 404, (s) => s.channel.publish(s.unique(), '', 'body')],
  [
    'publish: an internal exchange',
    403,
    async (s) => {
      const internal = s.unique();
      await s.stranger.exchangeDeclare(internal, 'fanout', { internal: true, autoDelete: true });
      await s.channel.publish(internal, '', 'body').finally(() => s.stranger.exchangeDelete(internal));
    },
  ],
  ['publish: of another user', 406, (s) => s.channel.publish('', s.queue, 'body', { userId: 'somebody' })],
  ['publish: over 16 MiB', before4(0, 406), (s) => s.channel.publish('', s.queue, Buffer.alloc(2 ** 24 + 1))],
  [
    'publish: a request without a consumer of replies',
    406,
    (s) => s.channel.publish('', s.queue, 'body', { replyTo: 'amq.rabbitmq.reply-to' }),
  ],
  ['basicConsume: missing', 404, (s) => s.channel.basicConsume(s.unique(), none)],
  [
    'basicConsume: exclusive to another connection',
    405,
    async (s) => s.channel.basicConsume(await exclusiveQueue(s), none),
  ],
  [
    'basicConsume: beside an exclusive consumer',
    403,
    async (s) => {
      await s.stranger.basicConsume(s.queue, none, { exclusive: true });
      await s.channel.basicConsume(s.queue, none);
    },
  ],
  [
    'basicConsume: exclusive, beside another consumer',
    403,
    async (s) => {
      await s.stranger.basicConsume(s.queue, none);
      await s.channel.basicConsume(s.queue, none, { exclusive: true });
    },
  ],
  [
    'basicConsume: exclusive, beside another consumer of a quorum queue',
    0,
    async (s) => {
      const queue = await queueOfType('quorum', s);
      await s.stranger.basicConsume(queue, none);
      await s.channel.basicConsume(queue, none, { exclusive: true });
    },
  ],
  [
    'basicConsume: a stream without a prefetch',
    406,
    async (s) => s.channel.basicConsume(await queueOfType('stream', s), none),
  ],
  [
    'basicConsume: a stream with noAck',
    -540,
    async (s) => s.channel.basicConsume(await queueOfType('stream', s), none, { noAck: true, prefetch: 1 }),
  ],
  [
    'basicConsume: a quorum queue under a global prefetch',
    (version) => (version < 4.03 ? -540 : 0),
    async (s) => {
      const queue = await queueOfType('quorum', s);
      await s.channel.basicQos(5, { global: true });
      await s.channel.basicConsume(queue, none);
    },
  ],
  ['basicGet: missing', 404, (s) => s.channel.basicGet(s.unique())],
  ['basicGet: exclusive to another connection', 405, async (s) => s.channel.basicGet(await exclusiveQueue(s))],
  ['basicGet: a stream', -540, async (s) => s.channel.basicGet(await queueOfType('stream', s))],
];

/** Past the checks of the client, which refuses these itself: to show that it has reason to. */
function raw(channel: Channel, ...call: [name: string, fields: object]): Promise<unknown> {
  return (channel as unknown as { call(name: string, fields: object): Promise<unknown> }).call(...call);
}

export const refusedByClient: Case[] = [
  ['channel.flow false', -540, (s) => raw(s.channel, 'channel.flow', { active: false })],
  ['basic.recover without requeue', -540, (s) => raw(s.channel, 'basic.recover', { requeue: false })],
  [
    'basic.qos with a prefetch size',
    -540,
    (s) => raw(s.channel, 'basic.qos', { prefetchSize: 1_000, prefetchCount: 0, global: false }),
  ],
  ['tx.select beside confirms', 406, (s) => raw(s.channel, 'tx.select', {})],
  ['tx.commit without tx.select', 406, (s) => raw(s.stranger, 'tx.commit', {})],
];

/** What the user of `permissions` may configure, write and read: nothing of what the scene made. */
export const permitted = ['^amq\\.', '^(amq\\.|$)', '^amq\\.'];

export const permissions: Case[] = [
  ['exchangeDeclare: no configure', 403, (s) => s.channel.exchangeDeclare(s.exchange, 'direct')],
  ['exchangeDelete: no configure', 403, (s) => s.channel.exchangeDelete(s.exchange)],
  [
    'exchangeBind: no write on the destination, no read on the source',
    403,
    (s) => s.channel.exchangeBind(s.exchange, s.exchange),
  ],
  ['exchangeExists: none at all', (version) => (version < 4.03 ? 0 : 403), (s) => s.channel.exchangeExists(s.exchange)],
  ['queueDeclare: no configure', 403, (s) => s.channel.queueDeclare(s.queue)],
  ['queueDelete: no configure', 403, (s) => s.channel.queueDelete(s.queue)],
  ['queuePurge: no read', 403, (s) => s.channel.queuePurge(s.queue)],
  ['queueBind: no write on the queue', 403, (s) => s.channel.queueBind(s.queue, s.exchange)],
  ['queueExists: none at all', (version) => (version < 4.03 ? 0 : 403), (s) => s.channel.queueExists(s.queue)],
  ['publish: no write', 403, (s) => s.channel.publish(s.exchange, 'key', 'body')],
  ['basicConsume: no read', 403, (s) => s.channel.basicConsume(s.queue, none)],
  ['basicGet: no read', 403, (s) => s.channel.basicGet(s.queue)],
];
