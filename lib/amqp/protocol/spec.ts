/**
 * AMQP 0-9-1 with RabbitMQ's extensions, as data: the one source of the method table.
 *
 * `npm run generate` turns it into generated/methods.ts; a test regenerates and compares.
 * Field notation: `name:domain`, in wire order. A name in brackets, as in `[ticket]:short`, is reserved:
 * written as zero or empty, skipped when read.
 */

/** AMQP's domains. `bytes` is a longstr whose content is not text. */
export type Domain =
  'bit' | 'octet' | 'short' | 'long' | 'longlong' | 'shortstr' | 'longstr' | 'bytes' | 'table' | 'timestamp';

export interface MethodSpec {
  readonly id: number;
  readonly name: string;
  readonly fields: readonly string[];
  /** Names of the methods of the same class that answer this one. */
  readonly replies?: readonly string[];
  /** True when a content header and body follow. */
  readonly content?: true;
}

export interface ClassSpec {
  readonly id: number;
  readonly name: string;
  readonly methods: readonly MethodSpec[];
}

const closeFields = ['replyCode:short', 'replyText:shortstr', 'classId:short', 'methodId:short'];

export const classes: readonly ClassSpec[] = [
  {
    id: 10,
    name: 'connection',
    methods: [
      {
        id: 10,
        name: 'start',
        fields: [
          'versionMajor:octet',
          'versionMinor:octet',
          'serverProperties:table',
          'mechanisms:longstr',
          'locales:longstr',
        ],
        replies: ['start-ok'],
      },
      {
        id: 11,
        name: 'start-ok',
        fields: ['clientProperties:table', 'mechanism:shortstr', 'response:bytes', 'locale:shortstr'],
      },
      { id: 20, name: 'secure', fields: ['challenge:bytes'], replies: ['secure-ok'] },
      { id: 21, name: 'secure-ok', fields: ['response:bytes'] },
      {
        id: 30,
        name: 'tune',
        fields: ['channelMax:short', 'frameMax:long', 'heartbeat:short'],
        replies: ['tune-ok'],
      },
      { id: 31, name: 'tune-ok', fields: ['channelMax:short', 'frameMax:long', 'heartbeat:short'] },
      {
        id: 40,
        name: 'open',
        fields: ['virtualHost:shortstr', '[capabilities]:shortstr', '[insist]:bit'],
        replies: ['open-ok'],
      },
      { id: 41, name: 'open-ok', fields: ['[known-hosts]:shortstr'] },
      { id: 50, name: 'close', fields: closeFields, replies: ['close-ok'] },
      { id: 51, name: 'close-ok', fields: [] },
      { id: 60, name: 'blocked', fields: ['reason:shortstr'] },
      { id: 61, name: 'unblocked', fields: [] },
      {
        id: 70,
        name: 'update-secret',
        fields: ['newSecret:bytes', 'reason:shortstr'],
        replies: ['update-secret-ok'],
      },
      { id: 71, name: 'update-secret-ok', fields: [] },
    ],
  },
  {
    id: 20,
    name: 'channel',
    methods: [
      { id: 10, name: 'open', fields: ['[out-of-band]:shortstr'], replies: ['open-ok'] },
      { id: 11, name: 'open-ok', fields: ['[channel-id]:longstr'] },
      { id: 20, name: 'flow', fields: ['active:bit'], replies: ['flow-ok'] },
      { id: 21, name: 'flow-ok', fields: ['active:bit'] },
      { id: 40, name: 'close', fields: closeFields, replies: ['close-ok'] },
      { id: 41, name: 'close-ok', fields: [] },
    ],
  },
  {
    // Left over from AMQP 0-8; RabbitMQ still answers it.
    id: 30,
    name: 'access',
    methods: [
      {
        id: 10,
        name: 'request',
        fields: ['realm:shortstr', 'exclusive:bit', 'passive:bit', 'active:bit', 'write:bit', 'read:bit'],
        replies: ['request-ok'],
      },
      { id: 11, name: 'request-ok', fields: ['[ticket]:short'] },
    ],
  },
  {
    id: 40,
    name: 'exchange',
    methods: [
      {
        id: 10,
        name: 'declare',
        fields: [
          '[ticket]:short',
          'exchange:shortstr',
          'type:shortstr',
          'passive:bit',
          'durable:bit',
          'autoDelete:bit',
          'internal:bit',
          'noWait:bit',
          'arguments:table',
        ],
        replies: ['declare-ok'],
      },
      { id: 11, name: 'declare-ok', fields: [] },
      {
        id: 20,
        name: 'delete',
        fields: ['[ticket]:short', 'exchange:shortstr', 'ifUnused:bit', 'noWait:bit'],
        replies: ['delete-ok'],
      },
      { id: 21, name: 'delete-ok', fields: [] },
      {
        id: 30,
        name: 'bind',
        fields: [
          '[ticket]:short',
          'destination:shortstr',
          'source:shortstr',
          'routingKey:shortstr',
          'noWait:bit',
          'arguments:table',
        ],
        replies: ['bind-ok'],
      },
      { id: 31, name: 'bind-ok', fields: [] },
      {
        id: 40,
        name: 'unbind',
        fields: [
          '[ticket]:short',
          'destination:shortstr',
          'source:shortstr',
          'routingKey:shortstr',
          'noWait:bit',
          'arguments:table',
        ],
        replies: ['unbind-ok'],
      },
      { id: 51, name: 'unbind-ok', fields: [] },
    ],
  },
  {
    id: 50,
    name: 'queue',
    methods: [
      {
        id: 10,
        name: 'declare',
        fields: [
          '[ticket]:short',
          'queue:shortstr',
          'passive:bit',
          'durable:bit',
          'exclusive:bit',
          'autoDelete:bit',
          'noWait:bit',
          'arguments:table',
        ],
        replies: ['declare-ok'],
      },
      { id: 11, name: 'declare-ok', fields: ['queue:shortstr', 'messageCount:long', 'consumerCount:long'] },
      {
        id: 20,
        name: 'bind',
        fields: [
          '[ticket]:short',
          'queue:shortstr',
          'exchange:shortstr',
          'routingKey:shortstr',
          'noWait:bit',
          'arguments:table',
        ],
        replies: ['bind-ok'],
      },
      { id: 21, name: 'bind-ok', fields: [] },
      { id: 30, name: 'purge', fields: ['[ticket]:short', 'queue:shortstr', 'noWait:bit'], replies: ['purge-ok'] },
      { id: 31, name: 'purge-ok', fields: ['messageCount:long'] },
      {
        id: 40,
        name: 'delete',
        fields: ['[ticket]:short', 'queue:shortstr', 'ifUnused:bit', 'ifEmpty:bit', 'noWait:bit'],
        replies: ['delete-ok'],
      },
      { id: 41, name: 'delete-ok', fields: ['messageCount:long'] },
      {
        id: 50,
        name: 'unbind',
        fields: ['[ticket]:short', 'queue:shortstr', 'exchange:shortstr', 'routingKey:shortstr', 'arguments:table'],
        replies: ['unbind-ok'],
      },
      { id: 51, name: 'unbind-ok', fields: [] },
    ],
  },
  {
    id: 60,
    name: 'basic',
    methods: [
      {
        id: 10,
        name: 'qos',
        fields: ['prefetchSize:long', 'prefetchCount:short', 'global:bit'],
        replies: ['qos-ok'],
      },
      { id: 11, name: 'qos-ok', fields: [] },
      {
        id: 20,
        name: 'consume',
        fields: [
          '[ticket]:short',
          'queue:shortstr',
          'consumerTag:shortstr',
          'noLocal:bit',
          'noAck:bit',
          'exclusive:bit',
          'noWait:bit',
          'arguments:table',
        ],
        replies: ['consume-ok'],
      },
      { id: 21, name: 'consume-ok', fields: ['consumerTag:shortstr'] },
      { id: 30, name: 'cancel', fields: ['consumerTag:shortstr', 'noWait:bit'], replies: ['cancel-ok'] },
      { id: 31, name: 'cancel-ok', fields: ['consumerTag:shortstr'] },
      {
        id: 40,
        name: 'publish',
        fields: ['[ticket]:short', 'exchange:shortstr', 'routingKey:shortstr', 'mandatory:bit', 'immediate:bit'],
        content: true,
      },
      {
        id: 50,
        name: 'return',
        fields: ['replyCode:short', 'replyText:shortstr', 'exchange:shortstr', 'routingKey:shortstr'],
        content: true,
      },
      {
        id: 60,
        name: 'deliver',
        fields: [
          'consumerTag:shortstr',
          'deliveryTag:longlong',
          'redelivered:bit',
          'exchange:shortstr',
          'routingKey:shortstr',
        ],
        content: true,
      },
      {
        id: 70,
        name: 'get',
        fields: ['[ticket]:short', 'queue:shortstr', 'noAck:bit'],
        replies: ['get-ok', 'get-empty'],
      },
      {
        id: 71,
        name: 'get-ok',
        fields: [
          'deliveryTag:longlong',
          'redelivered:bit',
          'exchange:shortstr',
          'routingKey:shortstr',
          'messageCount:long',
        ],
        content: true,
      },
      { id: 72, name: 'get-empty', fields: ['[cluster-id]:shortstr'] },
      { id: 80, name: 'ack', fields: ['deliveryTag:longlong', 'multiple:bit'] },
      { id: 90, name: 'reject', fields: ['deliveryTag:longlong', 'requeue:bit'] },
      { id: 100, name: 'recover-async', fields: ['requeue:bit'] },
      { id: 110, name: 'recover', fields: ['requeue:bit'], replies: ['recover-ok'] },
      { id: 111, name: 'recover-ok', fields: [] },
      { id: 120, name: 'nack', fields: ['deliveryTag:longlong', 'multiple:bit', 'requeue:bit'] },
    ],
  },
  {
    id: 85,
    name: 'confirm',
    methods: [
      { id: 10, name: 'select', fields: ['noWait:bit'], replies: ['select-ok'] },
      { id: 11, name: 'select-ok', fields: [] },
    ],
  },
  {
    id: 90,
    name: 'tx',
    methods: [
      { id: 10, name: 'select', fields: [], replies: ['select-ok'] },
      { id: 11, name: 'select-ok', fields: [] },
      { id: 20, name: 'commit', fields: [], replies: ['commit-ok'] },
      { id: 21, name: 'commit-ok', fields: [] },
      { id: 30, name: 'rollback', fields: [], replies: ['rollback-ok'] },
      { id: 31, name: 'rollback-ok', fields: [] },
    ],
  },
];

/** Properties of class basic, in the order of their flag bits, the first being bit 15. */
export const basicProperties: readonly string[] = [
  'contentType:shortstr',
  'contentEncoding:shortstr',
  'headers:table',
  'deliveryMode:octet',
  'priority:octet',
  'correlationId:shortstr',
  'replyTo:shortstr',
  'expiration:shortstr',
  'messageId:shortstr',
  'timestamp:timestamp',
  'type:shortstr',
  'userId:shortstr',
  'appId:shortstr',
  'clusterId:shortstr',
];

/** What the properties are for, as the users of `BasicProperties` read it. */
export const propertyMeanings: Readonly<Record<string, string>> = {
  contentType: 'MIME type of the body, for instance `application/json`. At most 255 bytes, as all texts here.',
  contentEncoding: 'MIME encoding of the body, for instance `gzip`.',
  headers: 'A table of your own. RabbitMQ reads `CC`, `BCC` and `x-delay`, and writes `x-death`.',
  deliveryMode: '2: survives a restart of the broker in a durable queue; 1: does not.',
  priority:
    '0 to 255, the higher the sooner, in queues with `x-max-priority` and, from RabbitMQ 4.0, in quorum queues.',
  correlationId: 'Tells which request a reply belongs to.',
  replyTo: 'The queue for replies; `amq.rabbitmq.reply-to` is direct reply-to.',
  expiration: 'Milliseconds until the message is dropped or dead-lettered, as a text: `60000`.',
  messageId: 'A name of your own for the message.',
  timestamp: 'When it was made, to the second.',
  type: 'A name of your own for the kind of message.',
  userId: 'The user that publishes; RabbitMQ refuses that of another (406, which closes the channel).',
  appId: 'The application that publishes.',
  clusterId: 'Of no use since AMQP 0-9-1.',
};

/** Reply codes of AMQP 0-9-1 section 1.2, as RabbitMQ uses them. */
export const replyCodes = {
  success: 200,
  contentTooLarge: 311,
  noRoute: 312,
  noConsumers: 313,
  connectionForced: 320,
  invalidPath: 402,
  accessRefused: 403,
  notFound: 404,
  resourceLocked: 405,
  preconditionFailed: 406,
  frameError: 501,
  syntaxError: 502,
  commandInvalid: 503,
  channelError: 504,
  unexpectedFrame: 505,
  resourceError: 506,
  notAllowed: 530,
  notImplemented: 540,
  internalError: 541,
} as const;
