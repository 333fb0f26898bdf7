/** Checks of what users pass, before a byte is sent: the channel survives their mistakes. */
import { isAbortSignal, ordinaryClose, type CloseReason } from '../connection/index.js';
import { ArgumentError, messageOf } from '../errors.js';
import { copyTable, type BasicProperties, type FieldTable } from '../protocol/index.js';

type Kind =
  | ('boolean' | 'name' | 'tag' | 'code' | 'table' | 'prefetch' | 'milliseconds' | 'signal')
  | ('deliveryMode' | 'priority' | 'expiration' | 'timestamp')
  | ('text' | 'names' | 'object' | 'url');

/** The longest time-to-live that RabbitMQ takes: ten years, in milliseconds. Others cost the channel (406). */
const longestExpiration = 315_360_000_000;

const problems: Record<Kind, (value: unknown) => string | undefined> = {
  boolean: (value) => (typeof value === 'boolean' ? undefined : 'must be true or false'),
  name: (value) => {
    if (typeof value !== 'string') return `must be a string, not ${value === null ? 'null' : typeof value}`;
    const length = Buffer.byteLength(value);
    // It would be sent as U+FFFD: another name.
    if (length !== value.length && /\p{Surrogate}/u.test(value))
      return 'holds a lone surrogate, which UTF-8 cannot say';
    return length > 255 ? `is ${String(length)} bytes long; AMQP allows 255` : undefined;
  },
  // A Map, an array, an Error: it has no fields of its own, and would count as empty.
  table: (value) => (isPlain(value) || isRecord(value) ? undefined : 'must be an object of named fields'),
  // Of any length, for what is no field of AMQP's.
  text: (value) =>
    typeof value === 'string' ? undefined : `must be a string, not ${value === null ? 'null' : typeof value}`,
  names: (value) =>
    Array.isArray(value) && value.every((name) => typeof name === 'string') ? undefined : 'must be a list of strings',
  // Whose fields are checked by whoever takes it.
  object: (value) => (isPlain(value) || isRecord(value) ? undefined : 'must be an object of named fields'),
  url: webUrlProblem,
  prefetch: (value) => range(value, 0, 65_535),
  milliseconds: (value) => range(value, 1, 0x7fff_ffff),
  tag: (value) => range(value, 0, Number.MAX_SAFE_INTEGER),
  code: (value) => range(value, 0, 65_535),
  signal: (value) => (isAbortSignal(value) ? undefined : 'must be an AbortSignal'),
  deliveryMode: (value) => range(value, 1, 2),
  priority: (value) => range(value, 0, 255),
  expiration: (value) =>
    typeof value === 'string' && /^\d{1,12}$/.test(value) && Number(value) <= longestExpiration
      ? undefined
      : `must be a string of whole milliseconds up to '${String(longestExpiration)}'`,
  timestamp: (value) =>
    value instanceof Date && value.getTime() >= 0 ? undefined : 'must be a valid Date from 1970 on',
};

/** Never repeats the value, which may hold a password. */
function webUrlProblem(value: unknown): string | undefined {
  if (typeof value !== 'string' && !(value instanceof URL)) return 'must be a string or a URL';
  const url = String(value);
  if (!URL.canParse(url)) return 'is not a URL, such as http://localhost:15672';
  const { protocol, search, hash } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:') return 'must begin with http:// or https://';
  return search === '' && hash === '' ? undefined : 'must have no query and no fragment';
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && Object.prototype.toString.call(value) === '[object Object]';
}

function isPlain(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function range(value: unknown, minimum: number, maximum: number): string | undefined {
  if (typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum) return undefined;
  const given = typeof value === 'number' || typeof value === 'string' ? String(value) : typeof value;
  return `must be an integer from ${String(minimum)} to ${String(maximum)}, not ${given}`;
}

/** Throws ArgumentError unless the value is of the kind. */
export function check(value: unknown, kind: Kind, name: string): void {
  const problem = problems[kind](value);
  if (problem !== undefined) throw new ArgumentError(name, problem);
}

/**
 * Throws ArgumentError for an option that is unknown or of the wrong kind; `undefined` counts as absent. Gives what was
 * checked, tables copied: a getter is asked once, and what the user changes later changes nothing.
 */
export function checkOptions<Options extends object>(
  options: Options,
  known: Readonly<Record<string, Kind>>,
  method: string,
): Options {
  check(options, 'table', `${method}: options`);
  for (const name in options) {
    if (Object.hasOwn(known, name)) continue;
    throw new ArgumentError(name, `unknown option of ${method}; known are ${Object.keys(known).join(', ')}`);
  }
  const checked: Record<string, unknown> = {};
  for (const name in known) {
    const value = readOption(options, name);
    const kind = known[name];
    if (value === undefined || kind === undefined) continue;
    check(value, kind, name);
    checked[name] = kind === 'table' ? copyTable(value as FieldTable, name) : value;
  }
  return checked as Options;
}

function readOption(options: object, name: string): unknown {
  try {
    return (options as Record<string, unknown>)[name];
  } catch (error) {
    throw new ArgumentError(name, `could not be read: ${messageOf(error)}`, { cause: error });
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
  const given = checkOptions(options, { replyCode: 'code', replyText: 'name' }, 'close');
  const { replyCode, replyText } = ordinaryClose;
  return { replyCode: given.replyCode ?? replyCode, replyText: given.replyText ?? replyText };
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

const propertyKinds: Record<keyof PublishProperties, Kind> = {
  contentType: 'name',
  contentEncoding: 'name',
  headers: 'table',
  deliveryMode: 'deliveryMode',
  priority: 'priority',
  correlationId: 'name',
  replyTo: 'name',
  expiration: 'expiration',
  messageId: 'name',
  timestamp: 'timestamp',
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
  // An instance of a class may have accessors, which are no fields of its own.
  if (!isPlain(given)) return toProperties(checkOptions(given, propertyKinds, 'properties'));
  let names = 0;
  for (const name in given) {
    names += 1;
    if (!Object.hasOwn(propertyKinds, name)) throw new ArgumentError(name, 'unknown message property');
    const value = readOption(given, name);
    if (value !== undefined) check(value, propertyKinds[name as keyof PublishProperties], name);
  }
  const { persistent } = given;
  if (persistent === undefined) return given;
  if (names === 1) return persistent ? persistentOnly : noProperties;
  // One shape for all, every property in its place: what is made with a spread is slow to read.
  return {
    contentType: given.contentType,
    contentEncoding: given.contentEncoding,
    headers: given.headers,
    deliveryMode: given.deliveryMode ?? (persistent ? 2 : 1),
    priority: given.priority,
    correlationId: given.correlationId,
    replyTo: given.replyTo,
    expiration: given.expiration,
    messageId: given.messageId,
    timestamp: given.timestamp,
    type: given.type,
    userId: given.userId,
    appId: given.appId,
    clusterId: given.clusterId,
  };
}
