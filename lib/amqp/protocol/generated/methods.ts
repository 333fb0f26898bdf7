// Generated from ../spec.ts by `npm run generate`. Do not edit.
import { FrameSyntaxError } from '../../errors.js';
import type { ByteReader } from '../byte-reader.js';
import { checkInteger, checkTimestamp, type ByteWriter } from '../byte-writer.js';
import { readTable, writeTable, type FieldTable } from '../field-table.js';

/** Class id * 65536 + method id. */
export const methodIds = {
  ConnectionStart: 0x000a000a,
  ConnectionStartOk: 0x000a000b,
  ConnectionSecure: 0x000a0014,
  ConnectionSecureOk: 0x000a0015,
  ConnectionTune: 0x000a001e,
  ConnectionTuneOk: 0x000a001f,
  ConnectionOpen: 0x000a0028,
  ConnectionOpenOk: 0x000a0029,
  ConnectionClose: 0x000a0032,
  ConnectionCloseOk: 0x000a0033,
  ConnectionBlocked: 0x000a003c,
  ConnectionUnblocked: 0x000a003d,
  ConnectionUpdateSecret: 0x000a0046,
  ConnectionUpdateSecretOk: 0x000a0047,
  ChannelOpen: 0x0014000a,
  ChannelOpenOk: 0x0014000b,
  ChannelFlow: 0x00140014,
  ChannelFlowOk: 0x00140015,
  ChannelClose: 0x00140028,
  ChannelCloseOk: 0x00140029,
  AccessRequest: 0x001e000a,
  AccessRequestOk: 0x001e000b,
  ExchangeDeclare: 0x0028000a,
  ExchangeDeclareOk: 0x0028000b,
  ExchangeDelete: 0x00280014,
  ExchangeDeleteOk: 0x00280015,
  ExchangeBind: 0x0028001e,
  ExchangeBindOk: 0x0028001f,
  ExchangeUnbind: 0x00280028,
  ExchangeUnbindOk: 0x00280033,
  QueueDeclare: 0x0032000a,
  QueueDeclareOk: 0x0032000b,
  QueueBind: 0x00320014,
  QueueBindOk: 0x00320015,
  QueuePurge: 0x0032001e,
  QueuePurgeOk: 0x0032001f,
  QueueDelete: 0x00320028,
  QueueDeleteOk: 0x00320029,
  QueueUnbind: 0x00320032,
  QueueUnbindOk: 0x00320033,
  BasicQos: 0x003c000a,
  BasicQosOk: 0x003c000b,
  BasicConsume: 0x003c0014,
  BasicConsumeOk: 0x003c0015,
  BasicCancel: 0x003c001e,
  BasicCancelOk: 0x003c001f,
  BasicPublish: 0x003c0028,
  BasicReturn: 0x003c0032,
  BasicDeliver: 0x003c003c,
  BasicGet: 0x003c0046,
  BasicGetOk: 0x003c0047,
  BasicGetEmpty: 0x003c0048,
  BasicAck: 0x003c0050,
  BasicReject: 0x003c005a,
  BasicRecoverAsync: 0x003c0064,
  BasicRecover: 0x003c006e,
  BasicRecoverOk: 0x003c006f,
  BasicNack: 0x003c0078,
  ConfirmSelect: 0x0055000a,
  ConfirmSelectOk: 0x0055000b,
  TxSelect: 0x005a000a,
  TxSelectOk: 0x005a000b,
  TxCommit: 0x005a0014,
  TxCommitOk: 0x005a0015,
  TxRollback: 0x005a001e,
  TxRollbackOk: 0x005a001f,
} as const;

/** The fields of each method, as read. */
export interface MethodFields {
  'connection.start': {
    versionMajor: number;
    versionMinor: number;
    serverProperties: FieldTable;
    mechanisms: string;
    locales: string;
  };
  'connection.start-ok': {
    clientProperties: FieldTable;
    mechanism: string;
    response: Buffer;
    locale: string;
  };
  'connection.secure': {
    challenge: Buffer;
  };
  'connection.secure-ok': {
    response: Buffer;
  };
  'connection.tune': {
    channelMax: number;
    frameMax: number;
    heartbeat: number;
  };
  'connection.tune-ok': {
    channelMax: number;
    frameMax: number;
    heartbeat: number;
  };
  'connection.open': {
    virtualHost: string;
  };
  'connection.open-ok': Record<never, never>;
  'connection.close': {
    replyCode: number;
    replyText: string;
    classId: number;
    methodId: number;
  };
  'connection.close-ok': Record<never, never>;
  'connection.blocked': {
    reason: string;
  };
  'connection.unblocked': Record<never, never>;
  'connection.update-secret': {
    newSecret: Buffer;
    reason: string;
  };
  'connection.update-secret-ok': Record<never, never>;
  'channel.open': Record<never, never>;
  'channel.open-ok': Record<never, never>;
  'channel.flow': {
    active: boolean;
  };
  'channel.flow-ok': {
    active: boolean;
  };
  'channel.close': {
    replyCode: number;
    replyText: string;
    classId: number;
    methodId: number;
  };
  'channel.close-ok': Record<never, never>;
  'access.request': {
    realm: string;
    exclusive: boolean;
    passive: boolean;
    active: boolean;
    write: boolean;
    read: boolean;
  };
  'access.request-ok': Record<never, never>;
  'exchange.declare': {
    exchange: string;
    type: string;
    passive: boolean;
    durable: boolean;
    autoDelete: boolean;
    internal: boolean;
    noWait: boolean;
    arguments: FieldTable;
  };
  'exchange.declare-ok': Record<never, never>;
  'exchange.delete': {
    exchange: string;
    ifUnused: boolean;
    noWait: boolean;
  };
  'exchange.delete-ok': Record<never, never>;
  'exchange.bind': {
    destination: string;
    source: string;
    routingKey: string;
    noWait: boolean;
    arguments: FieldTable;
  };
  'exchange.bind-ok': Record<never, never>;
  'exchange.unbind': {
    destination: string;
    source: string;
    routingKey: string;
    noWait: boolean;
    arguments: FieldTable;
  };
  'exchange.unbind-ok': Record<never, never>;
  'queue.declare': {
    queue: string;
    passive: boolean;
    durable: boolean;
    exclusive: boolean;
    autoDelete: boolean;
    noWait: boolean;
    arguments: FieldTable;
  };
  'queue.declare-ok': {
    queue: string;
    messageCount: number;
    consumerCount: number;
  };
  'queue.bind': {
    queue: string;
    exchange: string;
    routingKey: string;
    noWait: boolean;
    arguments: FieldTable;
  };
  'queue.bind-ok': Record<never, never>;
  'queue.purge': {
    queue: string;
    noWait: boolean;
  };
  'queue.purge-ok': {
    messageCount: number;
  };
  'queue.delete': {
    queue: string;
    ifUnused: boolean;
    ifEmpty: boolean;
    noWait: boolean;
  };
  'queue.delete-ok': {
    messageCount: number;
  };
  'queue.unbind': {
    queue: string;
    exchange: string;
    routingKey: string;
    arguments: FieldTable;
  };
  'queue.unbind-ok': Record<never, never>;
  'basic.qos': {
    prefetchSize: number;
    prefetchCount: number;
    global: boolean;
  };
  'basic.qos-ok': Record<never, never>;
  'basic.consume': {
    queue: string;
    consumerTag: string;
    noLocal: boolean;
    noAck: boolean;
    exclusive: boolean;
    noWait: boolean;
    arguments: FieldTable;
  };
  'basic.consume-ok': {
    consumerTag: string;
  };
  'basic.cancel': {
    consumerTag: string;
    noWait: boolean;
  };
  'basic.cancel-ok': {
    consumerTag: string;
  };
  'basic.publish': {
    exchange: string;
    routingKey: string;
    mandatory: boolean;
    immediate: boolean;
  };
  'basic.return': {
    replyCode: number;
    replyText: string;
    exchange: string;
    routingKey: string;
  };
  'basic.deliver': {
    consumerTag: string;
    deliveryTag: number;
    redelivered: boolean;
    exchange: string;
    routingKey: string;
  };
  'basic.get': {
    queue: string;
    noAck: boolean;
  };
  'basic.get-ok': {
    deliveryTag: number;
    redelivered: boolean;
    exchange: string;
    routingKey: string;
    messageCount: number;
  };
  'basic.get-empty': Record<never, never>;
  'basic.ack': {
    deliveryTag: number;
    multiple: boolean;
  };
  'basic.reject': {
    deliveryTag: number;
    requeue: boolean;
  };
  'basic.recover-async': {
    requeue: boolean;
  };
  'basic.recover': {
    requeue: boolean;
  };
  'basic.recover-ok': Record<never, never>;
  'basic.nack': {
    deliveryTag: number;
    multiple: boolean;
    requeue: boolean;
  };
  'confirm.select': {
    noWait: boolean;
  };
  'confirm.select-ok': Record<never, never>;
  'tx.select': Record<never, never>;
  'tx.select-ok': Record<never, never>;
  'tx.commit': Record<never, never>;
  'tx.commit-ok': Record<never, never>;
  'tx.rollback': Record<never, never>;
  'tx.rollback-ok': Record<never, never>;
}

/** The fields of each method, as written: bits are false and tables empty unless given. */
export interface MethodInputs {
  'connection.start': {
    versionMajor: number;
    versionMinor: number;
    serverProperties?: FieldTable | undefined;
    mechanisms: string;
    locales: string;
  };
  'connection.start-ok': {
    clientProperties?: FieldTable | undefined;
    mechanism: string;
    response: string | Uint8Array;
    locale: string;
  };
  'connection.secure': {
    challenge: string | Uint8Array;
  };
  'connection.secure-ok': {
    response: string | Uint8Array;
  };
  'connection.tune': {
    channelMax: number;
    frameMax: number;
    heartbeat: number;
  };
  'connection.tune-ok': {
    channelMax: number;
    frameMax: number;
    heartbeat: number;
  };
  'connection.open': {
    virtualHost: string;
  };
  'connection.open-ok': Record<never, never>;
  'connection.close': {
    replyCode: number;
    replyText: string;
    classId: number;
    methodId: number;
  };
  'connection.close-ok': Record<never, never>;
  'connection.blocked': {
    reason: string;
  };
  'connection.unblocked': Record<never, never>;
  'connection.update-secret': {
    newSecret: string | Uint8Array;
    reason: string;
  };
  'connection.update-secret-ok': Record<never, never>;
  'channel.open': Record<never, never>;
  'channel.open-ok': Record<never, never>;
  'channel.flow': {
    active?: boolean | undefined;
  };
  'channel.flow-ok': {
    active?: boolean | undefined;
  };
  'channel.close': {
    replyCode: number;
    replyText: string;
    classId: number;
    methodId: number;
  };
  'channel.close-ok': Record<never, never>;
  'access.request': {
    realm: string;
    exclusive?: boolean | undefined;
    passive?: boolean | undefined;
    active?: boolean | undefined;
    write?: boolean | undefined;
    read?: boolean | undefined;
  };
  'access.request-ok': Record<never, never>;
  'exchange.declare': {
    exchange: string;
    type: string;
    passive?: boolean | undefined;
    durable?: boolean | undefined;
    autoDelete?: boolean | undefined;
    internal?: boolean | undefined;
    noWait?: boolean | undefined;
    arguments?: FieldTable | undefined;
  };
  'exchange.declare-ok': Record<never, never>;
  'exchange.delete': {
    exchange: string;
    ifUnused?: boolean | undefined;
    noWait?: boolean | undefined;
  };
  'exchange.delete-ok': Record<never, never>;
  'exchange.bind': {
    destination: string;
    source: string;
    routingKey: string;
    noWait?: boolean | undefined;
    arguments?: FieldTable | undefined;
  };
  'exchange.bind-ok': Record<never, never>;
  'exchange.unbind': {
    destination: string;
    source: string;
    routingKey: string;
    noWait?: boolean | undefined;
    arguments?: FieldTable | undefined;
  };
  'exchange.unbind-ok': Record<never, never>;
  'queue.declare': {
    queue: string;
    passive?: boolean | undefined;
    durable?: boolean | undefined;
    exclusive?: boolean | undefined;
    autoDelete?: boolean | undefined;
    noWait?: boolean | undefined;
    arguments?: FieldTable | undefined;
  };
  'queue.declare-ok': {
    queue: string;
    messageCount: number;
    consumerCount: number;
  };
  'queue.bind': {
    queue: string;
    exchange: string;
    routingKey: string;
    noWait?: boolean | undefined;
    arguments?: FieldTable | undefined;
  };
  'queue.bind-ok': Record<never, never>;
  'queue.purge': {
    queue: string;
    noWait?: boolean | undefined;
  };
  'queue.purge-ok': {
    messageCount: number;
  };
  'queue.delete': {
    queue: string;
    ifUnused?: boolean | undefined;
    ifEmpty?: boolean | undefined;
    noWait?: boolean | undefined;
  };
  'queue.delete-ok': {
    messageCount: number;
  };
  'queue.unbind': {
    queue: string;
    exchange: string;
    routingKey: string;
    arguments?: FieldTable | undefined;
  };
  'queue.unbind-ok': Record<never, never>;
  'basic.qos': {
    prefetchSize: number;
    prefetchCount: number;
    global?: boolean | undefined;
  };
  'basic.qos-ok': Record<never, never>;
  'basic.consume': {
    queue: string;
    consumerTag: string;
    noLocal?: boolean | undefined;
    noAck?: boolean | undefined;
    exclusive?: boolean | undefined;
    noWait?: boolean | undefined;
    arguments?: FieldTable | undefined;
  };
  'basic.consume-ok': {
    consumerTag: string;
  };
  'basic.cancel': {
    consumerTag: string;
    noWait?: boolean | undefined;
  };
  'basic.cancel-ok': {
    consumerTag: string;
  };
  'basic.publish': {
    exchange: string;
    routingKey: string;
    mandatory?: boolean | undefined;
    immediate?: boolean | undefined;
  };
  'basic.return': {
    replyCode: number;
    replyText: string;
    exchange: string;
    routingKey: string;
  };
  'basic.deliver': {
    consumerTag: string;
    deliveryTag: number;
    redelivered?: boolean | undefined;
    exchange: string;
    routingKey: string;
  };
  'basic.get': {
    queue: string;
    noAck?: boolean | undefined;
  };
  'basic.get-ok': {
    deliveryTag: number;
    redelivered?: boolean | undefined;
    exchange: string;
    routingKey: string;
    messageCount: number;
  };
  'basic.get-empty': Record<never, never>;
  'basic.ack': {
    deliveryTag: number;
    multiple?: boolean | undefined;
  };
  'basic.reject': {
    deliveryTag: number;
    requeue?: boolean | undefined;
  };
  'basic.recover-async': {
    requeue?: boolean | undefined;
  };
  'basic.recover': {
    requeue?: boolean | undefined;
  };
  'basic.recover-ok': Record<never, never>;
  'basic.nack': {
    deliveryTag: number;
    multiple?: boolean | undefined;
    requeue?: boolean | undefined;
  };
  'confirm.select': {
    noWait?: boolean | undefined;
  };
  'confirm.select-ok': Record<never, never>;
  'tx.select': Record<never, never>;
  'tx.select-ok': Record<never, never>;
  'tx.commit': Record<never, never>;
  'tx.commit-ok': Record<never, never>;
  'tx.rollback': Record<never, never>;
  'tx.rollback-ok': Record<never, never>;
}

export type MethodName = keyof MethodFields;

/** A method that was read. */
export type Method = {
  [Name in MethodName]: { readonly name: Name; readonly fields: MethodFields[Name] };
}[MethodName];

export interface MethodCodec<Name extends MethodName> {
  readonly id: number;
  readonly name: Name;
  readonly hasContent: boolean;
  /** The methods that answer it; empty for one without an answer. */
  readonly replies: readonly MethodName[];
  readonly write: (writer: ByteWriter, fields: MethodInputs[Name]) => void;
  readonly read: (reader: ByteReader) => MethodFields[Name];
}

export const methodCodecs: { readonly [Name in MethodName]: MethodCodec<Name> } = {
  'connection.start': {
    id: 0x000a000a,
    name: 'connection.start',
    hasContent: false,
    replies: ['connection.start-ok'],
    write: (writer, fields) => {
      writer.octet(checkInteger(fields.versionMajor, 'octet', 'versionMajor'));
      writer.octet(checkInteger(fields.versionMinor, 'octet', 'versionMinor'));
      writeTable(writer, fields.serverProperties ?? {}, 'serverProperties');
      writer.longstr(fields.mechanisms);
      writer.longstr(fields.locales);
    },
    read: (reader) => {
      const versionMajor = reader.octet();
      const versionMinor = reader.octet();
      const serverProperties = readTable(reader);
      const mechanisms = reader.longstr();
      const locales = reader.longstr();
      return { versionMajor, versionMinor, serverProperties, mechanisms, locales };
    },
  },
  'connection.start-ok': {
    id: 0x000a000b,
    name: 'connection.start-ok',
    hasContent: false,
    replies: [],
    write: (writer, fields) => {
      writeTable(writer, fields.clientProperties ?? {}, 'clientProperties');
      writer.shortstr(fields.mechanism, 'mechanism');
      writer.longstr(fields.response);
      writer.shortstr(fields.locale, 'locale');
    },
    read: (reader) => {
      const clientProperties = readTable(reader);
      const mechanism = reader.shortstr();
      const response = reader.longBytes();
      const locale = reader.shortstr();
      return { clientProperties, mechanism, response, locale };
    },
  },
  'connection.secure': {
    id: 0x000a0014,
    name: 'connection.secure',
    hasContent: false,
    replies: ['connection.secure-ok'],
    write: (writer, fields) => {
      writer.longstr(fields.challenge);
    },
    read: (reader) => {
      const challenge = reader.longBytes();
      return { challenge };
    },
  },
  'connection.secure-ok': {
    id: 0x000a0015,
    name: 'connection.secure-ok',
    hasContent: false,
    replies: [],
    write: (writer, fields) => {
      writer.longstr(fields.response);
    },
    read: (reader) => {
      const response = reader.longBytes();
      return { response };
    },
  },
  'connection.tune': {
    id: 0x000a001e,
    name: 'connection.tune',
    hasContent: false,
    replies: ['connection.tune-ok'],
    write: (writer, fields) => {
      writer.short(checkInteger(fields.channelMax, 'short', 'channelMax'));
      writer.long(checkInteger(fields.frameMax, 'long', 'frameMax'));
      writer.short(checkInteger(fields.heartbeat, 'short', 'heartbeat'));
    },
    read: (reader) => {
      const channelMax = reader.short();
      const frameMax = reader.long();
      const heartbeat = reader.short();
      return { channelMax, frameMax, heartbeat };
    },
  },
  'connection.tune-ok': {
    id: 0x000a001f,
    name: 'connection.tune-ok',
    hasContent: false,
    replies: [],
    write: (writer, fields) => {
      writer.short(checkInteger(fields.channelMax, 'short', 'channelMax'));
      writer.long(checkInteger(fields.frameMax, 'long', 'frameMax'));
      writer.short(checkInteger(fields.heartbeat, 'short', 'heartbeat'));
    },
    read: (reader) => {
      const channelMax = reader.short();
      const frameMax = reader.long();
      const heartbeat = reader.short();
      return { channelMax, frameMax, heartbeat };
    },
  },
  'connection.open': {
    id: 0x000a0028,
    name: 'connection.open',
    hasContent: false,
    replies: ['connection.open-ok'],
    write: (writer, fields) => {
      writer.shortstr(fields.virtualHost, 'virtualHost');
      writer.shortstr('', 'capabilities');
      writer.octet(0);
    },
    read: (reader) => {
      const virtualHost = reader.shortstr();
      reader.shortstr();
      reader.octet();
      return { virtualHost };
    },
  },
  'connection.open-ok': {
    id: 0x000a0029,
    name: 'connection.open-ok',
    hasContent: false,
    replies: [],
    write: (writer) => {
      writer.shortstr('', 'known-hosts');
    },
    read: (reader) => {
      reader.shortstr();
      return {};
    },
  },
  'connection.close': {
    id: 0x000a0032,
    name: 'connection.close',
    hasContent: false,
    replies: ['connection.close-ok'],
    write: (writer, fields) => {
      writer.short(checkInteger(fields.replyCode, 'short', 'replyCode'));
      writer.shortstr(fields.replyText, 'replyText');
      writer.short(checkInteger(fields.classId, 'short', 'classId'));
      writer.short(checkInteger(fields.methodId, 'short', 'methodId'));
    },
    read: (reader) => {
      const replyCode = reader.short();
      const replyText = reader.shortstr();
      const classId = reader.short();
      const methodId = reader.short();
      return { replyCode, replyText, classId, methodId };
    },
  },
  'connection.close-ok': {
    id: 0x000a0033,
    name: 'connection.close-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'connection.blocked': {
    id: 0x000a003c,
    name: 'connection.blocked',
    hasContent: false,
    replies: [],
    write: (writer, fields) => {
      writer.shortstr(fields.reason, 'reason');
    },
    read: (reader) => {
      const reason = reader.shortstr();
      return { reason };
    },
  },
  'connection.unblocked': {
    id: 0x000a003d,
    name: 'connection.unblocked',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'connection.update-secret': {
    id: 0x000a0046,
    name: 'connection.update-secret',
    hasContent: false,
    replies: ['connection.update-secret-ok'],
    write: (writer, fields) => {
      writer.longstr(fields.newSecret);
      writer.shortstr(fields.reason, 'reason');
    },
    read: (reader) => {
      const newSecret = reader.longBytes();
      const reason = reader.shortstr();
      return { newSecret, reason };
    },
  },
  'connection.update-secret-ok': {
    id: 0x000a0047,
    name: 'connection.update-secret-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'channel.open': {
    id: 0x0014000a,
    name: 'channel.open',
    hasContent: false,
    replies: ['channel.open-ok'],
    write: (writer) => {
      writer.shortstr('', 'out-of-band');
    },
    read: (reader) => {
      reader.shortstr();
      return {};
    },
  },
  'channel.open-ok': {
    id: 0x0014000b,
    name: 'channel.open-ok',
    hasContent: false,
    replies: [],
    write: (writer) => {
      writer.longstr('');
    },
    read: (reader) => {
      reader.longstr();
      return {};
    },
  },
  'channel.flow': {
    id: 0x00140014,
    name: 'channel.flow',
    hasContent: false,
    replies: ['channel.flow-ok'],
    write: (writer, fields) => {
      writer.octet(fields.active ? 1 : 0);
    },
    read: (reader) => {
      const bits0 = reader.octet();
      const active = (bits0 & 1) !== 0;
      return { active };
    },
  },
  'channel.flow-ok': {
    id: 0x00140015,
    name: 'channel.flow-ok',
    hasContent: false,
    replies: [],
    write: (writer, fields) => {
      writer.octet(fields.active ? 1 : 0);
    },
    read: (reader) => {
      const bits0 = reader.octet();
      const active = (bits0 & 1) !== 0;
      return { active };
    },
  },
  'channel.close': {
    id: 0x00140028,
    name: 'channel.close',
    hasContent: false,
    replies: ['channel.close-ok'],
    write: (writer, fields) => {
      writer.short(checkInteger(fields.replyCode, 'short', 'replyCode'));
      writer.shortstr(fields.replyText, 'replyText');
      writer.short(checkInteger(fields.classId, 'short', 'classId'));
      writer.short(checkInteger(fields.methodId, 'short', 'methodId'));
    },
    read: (reader) => {
      const replyCode = reader.short();
      const replyText = reader.shortstr();
      const classId = reader.short();
      const methodId = reader.short();
      return { replyCode, replyText, classId, methodId };
    },
  },
  'channel.close-ok': {
    id: 0x00140029,
    name: 'channel.close-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'access.request': {
    id: 0x001e000a,
    name: 'access.request',
    hasContent: false,
    replies: ['access.request-ok'],
    write: (writer, fields) => {
      writer.shortstr(fields.realm, 'realm');
      writer.octet(
        (fields.exclusive ? 1 : 0) |
          (fields.passive ? 2 : 0) |
          (fields.active ? 4 : 0) |
          (fields.write ? 8 : 0) |
          (fields.read ? 16 : 0),
      );
    },
    read: (reader) => {
      const realm = reader.shortstr();
      const bits0 = reader.octet();
      const exclusive = (bits0 & 1) !== 0;
      const passive = (bits0 & 2) !== 0;
      const active = (bits0 & 4) !== 0;
      const write = (bits0 & 8) !== 0;
      const read = (bits0 & 16) !== 0;
      return { realm, exclusive, passive, active, write, read };
    },
  },
  'access.request-ok': {
    id: 0x001e000b,
    name: 'access.request-ok',
    hasContent: false,
    replies: [],
    write: (writer) => {
      writer.short(0);
    },
    read: (reader) => {
      reader.short();
      return {};
    },
  },
  'exchange.declare': {
    id: 0x0028000a,
    name: 'exchange.declare',
    hasContent: false,
    replies: ['exchange.declare-ok'],
    write: (writer, fields) => {
      writer.short(0);
      writer.shortstr(fields.exchange, 'exchange');
      writer.shortstr(fields.type, 'type');
      writer.octet(
        (fields.passive ? 1 : 0) |
          (fields.durable ? 2 : 0) |
          (fields.autoDelete ? 4 : 0) |
          (fields.internal ? 8 : 0) |
          (fields.noWait ? 16 : 0),
      );
      writeTable(writer, fields.arguments ?? {}, 'arguments');
    },
    read: (reader) => {
      reader.short();
      const exchange = reader.shortstr();
      const type = reader.shortstr();
      const bits0 = reader.octet();
      const passive = (bits0 & 1) !== 0;
      const durable = (bits0 & 2) !== 0;
      const autoDelete = (bits0 & 4) !== 0;
      const internal = (bits0 & 8) !== 0;
      const noWait = (bits0 & 16) !== 0;
      const argumentTable = readTable(reader);
      return { exchange, type, passive, durable, autoDelete, internal, noWait, arguments: argumentTable };
    },
  },
  'exchange.declare-ok': {
    id: 0x0028000b,
    name: 'exchange.declare-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'exchange.delete': {
    id: 0x00280014,
    name: 'exchange.delete',
    hasContent: false,
    replies: ['exchange.delete-ok'],
    write: (writer, fields) => {
      writer.short(0);
      writer.shortstr(fields.exchange, 'exchange');
      writer.octet((fields.ifUnused ? 1 : 0) | (fields.noWait ? 2 : 0));
    },
    read: (reader) => {
      reader.short();
      const exchange = reader.shortstr();
      const bits0 = reader.octet();
      const ifUnused = (bits0 & 1) !== 0;
      const noWait = (bits0 & 2) !== 0;
      return { exchange, ifUnused, noWait };
    },
  },
  'exchange.delete-ok': {
    id: 0x00280015,
    name: 'exchange.delete-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'exchange.bind': {
    id: 0x0028001e,
    name: 'exchange.bind',
    hasContent: false,
    replies: ['exchange.bind-ok'],
    write: (writer, fields) => {
      writer.short(0);
      writer.shortstr(fields.destination, 'destination');
      writer.shortstr(fields.source, 'source');
      writer.shortstr(fields.routingKey, 'routingKey');
      writer.octet(fields.noWait ? 1 : 0);
      writeTable(writer, fields.arguments ?? {}, 'arguments');
    },
    read: (reader) => {
      reader.short();
      const destination = reader.shortstr();
      const source = reader.shortstr();
      const routingKey = reader.shortstr();
      const bits0 = reader.octet();
      const noWait = (bits0 & 1) !== 0;
      const argumentTable = readTable(reader);
      return { destination, source, routingKey, noWait, arguments: argumentTable };
    },
  },
  'exchange.bind-ok': {
    id: 0x0028001f,
    name: 'exchange.bind-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'exchange.unbind': {
    id: 0x00280028,
    name: 'exchange.unbind',
    hasContent: false,
    replies: ['exchange.unbind-ok'],
    write: (writer, fields) => {
      writer.short(0);
      writer.shortstr(fields.destination, 'destination');
      writer.shortstr(fields.source, 'source');
      writer.shortstr(fields.routingKey, 'routingKey');
      writer.octet(fields.noWait ? 1 : 0);
      writeTable(writer, fields.arguments ?? {}, 'arguments');
    },
    read: (reader) => {
      reader.short();
      const destination = reader.shortstr();
      const source = reader.shortstr();
      const routingKey = reader.shortstr();
      const bits0 = reader.octet();
      const noWait = (bits0 & 1) !== 0;
      const argumentTable = readTable(reader);
      return { destination, source, routingKey, noWait, arguments: argumentTable };
    },
  },
  'exchange.unbind-ok': {
    id: 0x00280033,
    name: 'exchange.unbind-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'queue.declare': {
    id: 0x0032000a,
    name: 'queue.declare',
    hasContent: false,
    replies: ['queue.declare-ok'],
    write: (writer, fields) => {
      writer.short(0);
      writer.shortstr(fields.queue, 'queue');
      writer.octet(
        (fields.passive ? 1 : 0) |
          (fields.durable ? 2 : 0) |
          (fields.exclusive ? 4 : 0) |
          (fields.autoDelete ? 8 : 0) |
          (fields.noWait ? 16 : 0),
      );
      writeTable(writer, fields.arguments ?? {}, 'arguments');
    },
    read: (reader) => {
      reader.short();
      const queue = reader.shortstr();
      const bits0 = reader.octet();
      const passive = (bits0 & 1) !== 0;
      const durable = (bits0 & 2) !== 0;
      const exclusive = (bits0 & 4) !== 0;
      const autoDelete = (bits0 & 8) !== 0;
      const noWait = (bits0 & 16) !== 0;
      const argumentTable = readTable(reader);
      return { queue, passive, durable, exclusive, autoDelete, noWait, arguments: argumentTable };
    },
  },
  'queue.declare-ok': {
    id: 0x0032000b,
    name: 'queue.declare-ok',
    hasContent: false,
    replies: [],
    write: (writer, fields) => {
      writer.shortstr(fields.queue, 'queue');
      writer.long(checkInteger(fields.messageCount, 'long', 'messageCount'));
      writer.long(checkInteger(fields.consumerCount, 'long', 'consumerCount'));
    },
    read: (reader) => {
      const queue = reader.shortstr();
      const messageCount = reader.long();
      const consumerCount = reader.long();
      return { queue, messageCount, consumerCount };
    },
  },
  'queue.bind': {
    id: 0x00320014,
    name: 'queue.bind',
    hasContent: false,
    replies: ['queue.bind-ok'],
    write: (writer, fields) => {
      writer.short(0);
      writer.shortstr(fields.queue, 'queue');
      writer.shortstr(fields.exchange, 'exchange');
      writer.shortstr(fields.routingKey, 'routingKey');
      writer.octet(fields.noWait ? 1 : 0);
      writeTable(writer, fields.arguments ?? {}, 'arguments');
    },
    read: (reader) => {
      reader.short();
      const queue = reader.shortstr();
      const exchange = reader.shortstr();
      const routingKey = reader.shortstr();
      const bits0 = reader.octet();
      const noWait = (bits0 & 1) !== 0;
      const argumentTable = readTable(reader);
      return { queue, exchange, routingKey, noWait, arguments: argumentTable };
    },
  },
  'queue.bind-ok': {
    id: 0x00320015,
    name: 'queue.bind-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'queue.purge': {
    id: 0x0032001e,
    name: 'queue.purge',
    hasContent: false,
    replies: ['queue.purge-ok'],
    write: (writer, fields) => {
      writer.short(0);
      writer.shortstr(fields.queue, 'queue');
      writer.octet(fields.noWait ? 1 : 0);
    },
    read: (reader) => {
      reader.short();
      const queue = reader.shortstr();
      const bits0 = reader.octet();
      const noWait = (bits0 & 1) !== 0;
      return { queue, noWait };
    },
  },
  'queue.purge-ok': {
    id: 0x0032001f,
    name: 'queue.purge-ok',
    hasContent: false,
    replies: [],
    write: (writer, fields) => {
      writer.long(checkInteger(fields.messageCount, 'long', 'messageCount'));
    },
    read: (reader) => {
      const messageCount = reader.long();
      return { messageCount };
    },
  },
  'queue.delete': {
    id: 0x00320028,
    name: 'queue.delete',
    hasContent: false,
    replies: ['queue.delete-ok'],
    write: (writer, fields) => {
      writer.short(0);
      writer.shortstr(fields.queue, 'queue');
      writer.octet((fields.ifUnused ? 1 : 0) | (fields.ifEmpty ? 2 : 0) | (fields.noWait ? 4 : 0));
    },
    read: (reader) => {
      reader.short();
      const queue = reader.shortstr();
      const bits0 = reader.octet();
      const ifUnused = (bits0 & 1) !== 0;
      const ifEmpty = (bits0 & 2) !== 0;
      const noWait = (bits0 & 4) !== 0;
      return { queue, ifUnused, ifEmpty, noWait };
    },
  },
  'queue.delete-ok': {
    id: 0x00320029,
    name: 'queue.delete-ok',
    hasContent: false,
    replies: [],
    write: (writer, fields) => {
      writer.long(checkInteger(fields.messageCount, 'long', 'messageCount'));
    },
    read: (reader) => {
      const messageCount = reader.long();
      return { messageCount };
    },
  },
  'queue.unbind': {
    id: 0x00320032,
    name: 'queue.unbind',
    hasContent: false,
    replies: ['queue.unbind-ok'],
    write: (writer, fields) => {
      writer.short(0);
      writer.shortstr(fields.queue, 'queue');
      writer.shortstr(fields.exchange, 'exchange');
      writer.shortstr(fields.routingKey, 'routingKey');
      writeTable(writer, fields.arguments ?? {}, 'arguments');
    },
    read: (reader) => {
      reader.short();
      const queue = reader.shortstr();
      const exchange = reader.shortstr();
      const routingKey = reader.shortstr();
      const argumentTable = readTable(reader);
      return { queue, exchange, routingKey, arguments: argumentTable };
    },
  },
  'queue.unbind-ok': {
    id: 0x00320033,
    name: 'queue.unbind-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'basic.qos': {
    id: 0x003c000a,
    name: 'basic.qos',
    hasContent: false,
    replies: ['basic.qos-ok'],
    write: (writer, fields) => {
      writer.long(checkInteger(fields.prefetchSize, 'long', 'prefetchSize'));
      writer.short(checkInteger(fields.prefetchCount, 'short', 'prefetchCount'));
      writer.octet(fields.global ? 1 : 0);
    },
    read: (reader) => {
      const prefetchSize = reader.long();
      const prefetchCount = reader.short();
      const bits0 = reader.octet();
      const global = (bits0 & 1) !== 0;
      return { prefetchSize, prefetchCount, global };
    },
  },
  'basic.qos-ok': {
    id: 0x003c000b,
    name: 'basic.qos-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'basic.consume': {
    id: 0x003c0014,
    name: 'basic.consume',
    hasContent: false,
    replies: ['basic.consume-ok'],
    write: (writer, fields) => {
      writer.short(0);
      writer.shortstr(fields.queue, 'queue');
      writer.shortstr(fields.consumerTag, 'consumerTag');
      writer.octet(
        (fields.noLocal ? 1 : 0) | (fields.noAck ? 2 : 0) | (fields.exclusive ? 4 : 0) | (fields.noWait ? 8 : 0),
      );
      writeTable(writer, fields.arguments ?? {}, 'arguments');
    },
    read: (reader) => {
      reader.short();
      const queue = reader.shortstr();
      const consumerTag = reader.shortstr();
      const bits0 = reader.octet();
      const noLocal = (bits0 & 1) !== 0;
      const noAck = (bits0 & 2) !== 0;
      const exclusive = (bits0 & 4) !== 0;
      const noWait = (bits0 & 8) !== 0;
      const argumentTable = readTable(reader);
      return { queue, consumerTag, noLocal, noAck, exclusive, noWait, arguments: argumentTable };
    },
  },
  'basic.consume-ok': {
    id: 0x003c0015,
    name: 'basic.consume-ok',
    hasContent: false,
    replies: [],
    write: (writer, fields) => {
      writer.shortstr(fields.consumerTag, 'consumerTag');
    },
    read: (reader) => {
      const consumerTag = reader.shortstr();
      return { consumerTag };
    },
  },
  'basic.cancel': {
    id: 0x003c001e,
    name: 'basic.cancel',
    hasContent: false,
    replies: ['basic.cancel-ok'],
    write: (writer, fields) => {
      writer.shortstr(fields.consumerTag, 'consumerTag');
      writer.octet(fields.noWait ? 1 : 0);
    },
    read: (reader) => {
      const consumerTag = reader.shortstr();
      const bits0 = reader.octet();
      const noWait = (bits0 & 1) !== 0;
      return { consumerTag, noWait };
    },
  },
  'basic.cancel-ok': {
    id: 0x003c001f,
    name: 'basic.cancel-ok',
    hasContent: false,
    replies: [],
    write: (writer, fields) => {
      writer.shortstr(fields.consumerTag, 'consumerTag');
    },
    read: (reader) => {
      const consumerTag = reader.shortstr();
      return { consumerTag };
    },
  },
  'basic.publish': {
    id: 0x003c0028,
    name: 'basic.publish',
    hasContent: true,
    replies: [],
    write: (writer, fields) => {
      writer.short(0);
      writer.shortstr(fields.exchange, 'exchange');
      writer.shortstr(fields.routingKey, 'routingKey');
      writer.octet((fields.mandatory ? 1 : 0) | (fields.immediate ? 2 : 0));
    },
    read: (reader) => {
      reader.short();
      const exchange = reader.shortstr();
      const routingKey = reader.shortstr();
      const bits0 = reader.octet();
      const mandatory = (bits0 & 1) !== 0;
      const immediate = (bits0 & 2) !== 0;
      return { exchange, routingKey, mandatory, immediate };
    },
  },
  'basic.return': {
    id: 0x003c0032,
    name: 'basic.return',
    hasContent: true,
    replies: [],
    write: (writer, fields) => {
      writer.short(checkInteger(fields.replyCode, 'short', 'replyCode'));
      writer.shortstr(fields.replyText, 'replyText');
      writer.shortstr(fields.exchange, 'exchange');
      writer.shortstr(fields.routingKey, 'routingKey');
    },
    read: (reader) => {
      const replyCode = reader.short();
      const replyText = reader.shortstr();
      const exchange = reader.shortstr();
      const routingKey = reader.shortstr();
      return { replyCode, replyText, exchange, routingKey };
    },
  },
  'basic.deliver': {
    id: 0x003c003c,
    name: 'basic.deliver',
    hasContent: true,
    replies: [],
    write: (writer, fields) => {
      writer.shortstr(fields.consumerTag, 'consumerTag');
      writer.longlong(checkInteger(fields.deliveryTag, 'longlong', 'deliveryTag'));
      writer.octet(fields.redelivered ? 1 : 0);
      writer.shortstr(fields.exchange, 'exchange');
      writer.shortstr(fields.routingKey, 'routingKey');
    },
    read: (reader) => {
      const consumerTag = reader.shortstr();
      const deliveryTag = reader.longlong();
      const bits0 = reader.octet();
      const redelivered = (bits0 & 1) !== 0;
      const exchange = reader.shortstr();
      const routingKey = reader.shortstr();
      return { consumerTag, deliveryTag, redelivered, exchange, routingKey };
    },
  },
  'basic.get': {
    id: 0x003c0046,
    name: 'basic.get',
    hasContent: false,
    replies: ['basic.get-ok', 'basic.get-empty'],
    write: (writer, fields) => {
      writer.short(0);
      writer.shortstr(fields.queue, 'queue');
      writer.octet(fields.noAck ? 1 : 0);
    },
    read: (reader) => {
      reader.short();
      const queue = reader.shortstr();
      const bits0 = reader.octet();
      const noAck = (bits0 & 1) !== 0;
      return { queue, noAck };
    },
  },
  'basic.get-ok': {
    id: 0x003c0047,
    name: 'basic.get-ok',
    hasContent: true,
    replies: [],
    write: (writer, fields) => {
      writer.longlong(checkInteger(fields.deliveryTag, 'longlong', 'deliveryTag'));
      writer.octet(fields.redelivered ? 1 : 0);
      writer.shortstr(fields.exchange, 'exchange');
      writer.shortstr(fields.routingKey, 'routingKey');
      writer.long(checkInteger(fields.messageCount, 'long', 'messageCount'));
    },
    read: (reader) => {
      const deliveryTag = reader.longlong();
      const bits0 = reader.octet();
      const redelivered = (bits0 & 1) !== 0;
      const exchange = reader.shortstr();
      const routingKey = reader.shortstr();
      const messageCount = reader.long();
      return { deliveryTag, redelivered, exchange, routingKey, messageCount };
    },
  },
  'basic.get-empty': {
    id: 0x003c0048,
    name: 'basic.get-empty',
    hasContent: false,
    replies: [],
    write: (writer) => {
      writer.shortstr('', 'cluster-id');
    },
    read: (reader) => {
      reader.shortstr();
      return {};
    },
  },
  'basic.ack': {
    id: 0x003c0050,
    name: 'basic.ack',
    hasContent: false,
    replies: [],
    write: (writer, fields) => {
      writer.longlong(checkInteger(fields.deliveryTag, 'longlong', 'deliveryTag'));
      writer.octet(fields.multiple ? 1 : 0);
    },
    read: (reader) => {
      const deliveryTag = reader.longlong();
      const bits0 = reader.octet();
      const multiple = (bits0 & 1) !== 0;
      return { deliveryTag, multiple };
    },
  },
  'basic.reject': {
    id: 0x003c005a,
    name: 'basic.reject',
    hasContent: false,
    replies: [],
    write: (writer, fields) => {
      writer.longlong(checkInteger(fields.deliveryTag, 'longlong', 'deliveryTag'));
      writer.octet(fields.requeue ? 1 : 0);
    },
    read: (reader) => {
      const deliveryTag = reader.longlong();
      const bits0 = reader.octet();
      const requeue = (bits0 & 1) !== 0;
      return { deliveryTag, requeue };
    },
  },
  'basic.recover-async': {
    id: 0x003c0064,
    name: 'basic.recover-async',
    hasContent: false,
    replies: [],
    write: (writer, fields) => {
      writer.octet(fields.requeue ? 1 : 0);
    },
    read: (reader) => {
      const bits0 = reader.octet();
      const requeue = (bits0 & 1) !== 0;
      return { requeue };
    },
  },
  'basic.recover': {
    id: 0x003c006e,
    name: 'basic.recover',
    hasContent: false,
    replies: ['basic.recover-ok'],
    write: (writer, fields) => {
      writer.octet(fields.requeue ? 1 : 0);
    },
    read: (reader) => {
      const bits0 = reader.octet();
      const requeue = (bits0 & 1) !== 0;
      return { requeue };
    },
  },
  'basic.recover-ok': {
    id: 0x003c006f,
    name: 'basic.recover-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'basic.nack': {
    id: 0x003c0078,
    name: 'basic.nack',
    hasContent: false,
    replies: [],
    write: (writer, fields) => {
      writer.longlong(checkInteger(fields.deliveryTag, 'longlong', 'deliveryTag'));
      writer.octet((fields.multiple ? 1 : 0) | (fields.requeue ? 2 : 0));
    },
    read: (reader) => {
      const deliveryTag = reader.longlong();
      const bits0 = reader.octet();
      const multiple = (bits0 & 1) !== 0;
      const requeue = (bits0 & 2) !== 0;
      return { deliveryTag, multiple, requeue };
    },
  },
  'confirm.select': {
    id: 0x0055000a,
    name: 'confirm.select',
    hasContent: false,
    replies: ['confirm.select-ok'],
    write: (writer, fields) => {
      writer.octet(fields.noWait ? 1 : 0);
    },
    read: (reader) => {
      const bits0 = reader.octet();
      const noWait = (bits0 & 1) !== 0;
      return { noWait };
    },
  },
  'confirm.select-ok': {
    id: 0x0055000b,
    name: 'confirm.select-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'tx.select': {
    id: 0x005a000a,
    name: 'tx.select',
    hasContent: false,
    replies: ['tx.select-ok'],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'tx.select-ok': {
    id: 0x005a000b,
    name: 'tx.select-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'tx.commit': {
    id: 0x005a0014,
    name: 'tx.commit',
    hasContent: false,
    replies: ['tx.commit-ok'],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'tx.commit-ok': {
    id: 0x005a0015,
    name: 'tx.commit-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'tx.rollback': {
    id: 0x005a001e,
    name: 'tx.rollback',
    hasContent: false,
    replies: ['tx.rollback-ok'],
    write: () => {},
    read: () => {
      return {};
    },
  },
  'tx.rollback-ok': {
    id: 0x005a001f,
    name: 'tx.rollback-ok',
    hasContent: false,
    replies: [],
    write: () => {},
    read: () => {
      return {};
    },
  },
};

/** Properties of class basic, as they stand in a content header. */
export interface BasicProperties {
  /** MIME type of the body, for instance `application/json`. At most 255 bytes, as all texts here. */
  contentType?: string | undefined;
  /** MIME encoding of the body, for instance `gzip`. */
  contentEncoding?: string | undefined;
  /** A table of your own. RabbitMQ reads `CC`, `BCC` and `x-delay`, and writes `x-death`. */
  headers?: FieldTable | undefined;
  /** 2: survives a restart of the broker in a durable queue; 1: does not. */
  deliveryMode?: number | undefined;
  /** 0 to 255, the higher the sooner, in queues with `x-max-priority` and, from RabbitMQ 4.0, in quorum queues. */
  priority?: number | undefined;
  /** Tells which request a reply belongs to. */
  correlationId?: string | undefined;
  /** The queue for replies; `amq.rabbitmq.reply-to` is direct reply-to. */
  replyTo?: string | undefined;
  /** Milliseconds until the message is dropped or dead-lettered, as a text: `60000`. */
  expiration?: string | undefined;
  /** A name of your own for the message. */
  messageId?: string | undefined;
  /** When it was made, to the second. */
  timestamp?: Date | undefined;
  /** A name of your own for the kind of message. */
  type?: string | undefined;
  /** The user that publishes; RabbitMQ refuses that of another (406, which closes the channel). */
  userId?: string | undefined;
  /** The application that publishes. */
  appId?: string | undefined;
  /** Of no use since AMQP 0-9-1. */
  clusterId?: string | undefined;
}

/** property-flags, then the properties that are there, in the order of their bits. */
export function writeProperties(writer: ByteWriter, properties: Readonly<BasicProperties>): void {
  const position = writer.positionInUnit;
  writer.short(0);
  let flags = 0;
  if (properties.contentType !== undefined) {
    flags |= 0x8000;
    writer.shortstr(properties.contentType, 'contentType');
  }
  if (properties.contentEncoding !== undefined) {
    flags |= 0x4000;
    writer.shortstr(properties.contentEncoding, 'contentEncoding');
  }
  if (properties.headers !== undefined) {
    flags |= 0x2000;
    writeTable(writer, properties.headers, 'headers');
  }
  if (properties.deliveryMode !== undefined) {
    flags |= 0x1000;
    writer.octet(checkInteger(properties.deliveryMode, 'octet', 'deliveryMode'));
  }
  if (properties.priority !== undefined) {
    flags |= 0x0800;
    writer.octet(checkInteger(properties.priority, 'octet', 'priority'));
  }
  if (properties.correlationId !== undefined) {
    flags |= 0x0400;
    writer.shortstr(properties.correlationId, 'correlationId');
  }
  if (properties.replyTo !== undefined) {
    flags |= 0x0200;
    writer.shortstr(properties.replyTo, 'replyTo');
  }
  if (properties.expiration !== undefined) {
    flags |= 0x0100;
    writer.shortstr(properties.expiration, 'expiration');
  }
  if (properties.messageId !== undefined) {
    flags |= 0x0080;
    writer.shortstr(properties.messageId, 'messageId');
  }
  if (properties.timestamp !== undefined) {
    flags |= 0x0040;
    writer.longlong(checkTimestamp(properties.timestamp, 'timestamp'));
  }
  if (properties.type !== undefined) {
    flags |= 0x0020;
    writer.shortstr(properties.type, 'type');
  }
  if (properties.userId !== undefined) {
    flags |= 0x0010;
    writer.shortstr(properties.userId, 'userId');
  }
  if (properties.appId !== undefined) {
    flags |= 0x0008;
    writer.shortstr(properties.appId, 'appId');
  }
  if (properties.clusterId !== undefined) {
    flags |= 0x0004;
    writer.shortstr(properties.clusterId, 'clusterId');
  }
  writer.patchShort(position, flags);
}

export function readProperties(reader: ByteReader): BasicProperties {
  const flags = reader.short();
  const properties: BasicProperties = {};
  if ((flags & 1) !== 0) throw new FrameSyntaxError('a content header with more than 15 property flags');
  if ((flags & 0x8000) !== 0) properties.contentType = reader.shortstr();
  if ((flags & 0x4000) !== 0) properties.contentEncoding = reader.shortstr();
  if ((flags & 0x2000) !== 0) properties.headers = readTable(reader);
  if ((flags & 0x1000) !== 0) properties.deliveryMode = reader.octet();
  if ((flags & 0x0800) !== 0) properties.priority = reader.octet();
  if ((flags & 0x0400) !== 0) properties.correlationId = reader.shortstr();
  if ((flags & 0x0200) !== 0) properties.replyTo = reader.shortstr();
  if ((flags & 0x0100) !== 0) properties.expiration = reader.shortstr();
  if ((flags & 0x0080) !== 0) properties.messageId = reader.shortstr();
  if ((flags & 0x0040) !== 0) properties.timestamp = new Date(Number(reader.bigUInt64()) * 1000);
  if ((flags & 0x0020) !== 0) properties.type = reader.shortstr();
  if ((flags & 0x0010) !== 0) properties.userId = reader.shortstr();
  if ((flags & 0x0008) !== 0) properties.appId = reader.shortstr();
  if ((flags & 0x0004) !== 0) properties.clusterId = reader.shortstr();
  return properties;
}
