/** Checks of what users pass, before a byte is sent: the channel survives their mistakes. */
import { ordinaryClose, type CloseReason } from '../connection/index.js';
import { ArgumentError } from '../errors.js';
import type { BasicProperties } from '../protocol/index.js';

type Kind = 'boolean' | 'name' | 'tag' | 'code' | 'table' | 'prefetch' | 'milliseconds' | 'signal' | 'integer';

const problems: Record<Kind, (value: unknown) => string | undefined> = {
  boolean: (value) => (typeof value === 'boolean' ? undefined : 'must be true or false'),
  name: (value) => {
    if (typeof value !== 'string') return `must be a string, not ${value === null ? 'null' : typeof value}`;
    const length = Buffer.byteLength(value);
    return length > 255 ? `is ${String(length)} bytes long; AMQP allows 255` : undefined;
  },
  table: (value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : 'must be an object',
  prefetch: (value) => range(value, 65_535),
  milliseconds: (value) => range(value, 0x7fff_ffff),
  tag: (value) => range(value, Number.MAX_SAFE_INTEGER),
  code: (value) => range(value, 65_535),
  integer: (value) => (typeof value === 'number' && Number.isInteger(value) ? undefined : 'must be an integer'),
  signal: (value) => (value instanceof AbortSignal ? undefined : 'must be an AbortSignal'),
};

function range(value: unknown, maximum: number): string | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maximum
    ? undefined
    : `must be an integer from 0 to ${String(maximum)}, not ${String(value)}`;
}

/** Throws ArgumentError unless the value is of the kind. */
export function check(value: unknown, kind: Kind, name: string): void {
  const problem = problems[kind](value);
  if (problem !== undefined) throw new ArgumentError(name, problem);
}

/** Throws ArgumentError for an option that is unknown or of the wrong kind; `undefined` counts as absent. */
export function checkOptions(options: object, known: Readonly<Record<string, Kind>>, method: string): void {
  check(options, 'table', `${method}: options`);
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (!kind) {
      throw new ArgumentError(name, `unknown option of ${method}; known are ${Object.keys(known).join(', ')}`);
    }
    if (value !== undefined) check(value, kind, name);
  }
}

/** What `close` tells the broker, whose log shows it. */
export interface CloseOptions {
  /** AMQP reply code from 0 to 65 535. Default 200. */
  replyCode?: number | undefined;
  /** At most 255 bytes. Default `closed by the client`. */
  replyText?: string | undefined;
}

/** Throws ArgumentError. */
export function checkCloseOptions(options: CloseOptions = {}): CloseReason {
  checkOptions(options, { replyCode: 'code', replyText: 'name' }, 'close');
  const { replyCode, replyText } = ordinaryClose;
  return { replyCode: options.replyCode ?? replyCode, replyText: options.replyText ?? replyText };
}

/** What a message's body may be; a string is sent as UTF-8. */
export type MessageBody = Uint8Array | string;

export function toBytes(body: MessageBody): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body, 'utf8');
  if (body instanceof Uint8Array) return body;
  throw new ArgumentError(
    'body',
    `must be a Buffer, Uint8Array or string, not ${(body as unknown) === null ? 'null' : typeof body}`,
  );
}

/** AMQP's properties by their names in camelCase, and `persistent` for delivery mode 2. */
export interface PublishProperties extends BasicProperties {
  /** True: the message survives a restart of the broker in a durable queue (delivery mode 2). Default false. */
  persistent?: boolean | undefined;
}

const propertyKinds: Record<keyof PublishProperties, Kind | undefined> = {
  contentType: 'name',
  contentEncoding: 'name',
  headers: 'table',
  deliveryMode: 'integer',
  priority: 'integer',
  correlationId: 'name',
  replyTo: 'name',
  expiration: 'name',
  messageId: 'name',
  timestamp: undefined,
  type: 'name',
  userId: 'name',
  appId: 'name',
  clusterId: 'name',
  persistent: 'boolean',
};

const noProperties: BasicProperties = {};
const persistentOnly: BasicProperties = { deliveryMode: 2 };

export function toProperties(given: PublishProperties | undefined): BasicProperties {
  if (given === undefined) return noProperties;
  check(given, 'table', 'properties');
  let names = 0;
  for (const name in given) {
    names += 1;
    if (!Object.hasOwn(propertyKinds, name)) throw new ArgumentError(name, 'unknown message property');
    const kind = propertyKinds[name as keyof PublishProperties];
    const value = given[name as keyof PublishProperties];
    if (kind !== undefined && value !== undefined) check(value, kind, name);
  }
  const { persistent } = given;
  if (persistent === undefined) return given;
  if (names === 1) return persistent ? persistentOnly : noProperties;
  const { persistent: _persistent, ...properties } = given;
  return { deliveryMode: persistent ? 2 : 1, ...properties };
}
