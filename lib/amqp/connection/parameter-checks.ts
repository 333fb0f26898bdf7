/** What may stand in connection parameters, field by field. Names every fault; must not know what they are for. */
import { isIP } from 'node:net';
import { AmqpError } from '../errors.js';
import { ByteWriter, writeTable, type FieldTable } from '../protocol/index.js';
import type { TcpOptions } from '../transport/index.js';
import { credentialsFault } from './credentials.js';
import { ioThreadFault } from './io-thread-parameters.js';
import type {
  ConnectionParameters,
  EndpointParameters,
  PublishBufferParameters,
  RecoveryParameters,
} from './parameters.js';

type Check = (value: unknown) => string | undefined;

/** A Map, a URL, an array: it has no fields of its own, and would count as empty. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && Object.prototype.toString.call(value) === '[object Object]';
const text: Check = (value) => (typeof value === 'string' ? undefined : 'must be a string');
const shortText: Check = (value) =>
  typeof value === 'string' && Buffer.byteLength(value) <= 255 ? undefined : 'must be a string of up to 255 bytes';
const record: Check = (value) => (isRecord(value) ? undefined : 'must be an object');
const isFunction: Check = (value) => (typeof value === 'function' ? undefined : 'must be a function');
const oneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value) ? undefined : `must be ${values.map((one) => JSON.stringify(one)).join(' or ')}`;
const whole =
  (minimum: number, maximum: number): Check =>
  (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum
      ? undefined
      : `must be a whole number from ${String(minimum)} to ${String(maximum)}`;
const count =
  (minimum: number): Check =>
  (value) =>
    value === Infinity ? undefined : whole(minimum, Number.MAX_SAFE_INTEGER)(value);
/** The longest delay that Node's timers take. */
const milliseconds = whole(0, 0x7fff_ffff);

/** Also of another realm, or a polyfill's. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  if (value instanceof AbortSignal) return true;
  if (typeof value !== 'object' || value === null) return false;
  const { aborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>;
  return (
    typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function'
  );
}

/** Encodes it for a trial: what the wire does not take is known before anything is opened. */
const table: Check = (value) => {
  if (!isRecord(value)) return 'must be an object';
  if (value['capabilities'] !== undefined && !isRecord(value['capabilities'])) return 'capabilities must be an object';
  try {
    const writer = new ByteWriter();
    writer.begin();
    writeTable(writer, value as FieldTable, '');
    return undefined;
  } catch (error) {
    if (error instanceof AmqpError) return error.message;
    throw error;
  }
};

const endpointChecks: Record<keyof EndpointParameters, Check> = {
  url: text,
  host: (value) => (typeof value === 'string' && value !== '' ? undefined : 'must be a host name or address'),
  port: whole(1, 65_535),
  virtualHost: shortText,
  username: text,
  password: text,
  credentials: (value) => (typeof value === 'function' ? undefined : credentialsFault(value)),
  tls: (value) => (typeof value === 'boolean' || isRecord(value) ? undefined : 'must be true, false or TLS options'),
};

const recoveryChecks: Record<keyof RecoveryParameters, Check> = {
  initialDelay: milliseconds,
  maxDelay: milliseconds,
  attempts: count(1),
  when: isFunction,
};

const publishBufferChecks: Record<keyof PublishBufferParameters, Check> = {
  messages: count(0),
  bytes: count(0),
  timeout: milliseconds,
};

const tcpChecks: Record<keyof TcpOptions, Check> = {
  noDelay: (value) => (typeof value === 'boolean' ? undefined : 'must be true or false'),
  keepAlive: (value) => (value === false ? undefined : milliseconds(value)),
  family: oneOf(0, 4, 6),
  localAddress: (value) => (typeof value === 'string' && isIP(value) !== 0 ? undefined : 'must be an IP address'),
  lookup: isFunction,
};

const checks: Record<keyof ConnectionParameters, Check> = {
  ...endpointChecks,
  url: (value) =>
    typeof value === 'string' ||
    (Array.isArray(value) && value.length > 0 && value.every((entry) => typeof entry === 'string'))
      ? undefined
      : 'must be an AMQP URI or a list of them',
  endpoints: (value) =>
    Array.isArray(value) && value.length > 0 && value.every(isRecord) ? undefined : 'must be a list of objects',
  order: oneOf('as-given', 'shuffled'),
  plaintext: oneOf('warn', 'refuse', 'allow'),
  heartbeat: (value) => (typeof value === 'function' ? undefined : whole(0, 65_535)(value)),
  channelMax: whole(0, 65_535),
  frameMax: whole(8192, 0x7fff_ffff),
  maxHeaderSize: whole(8192, 0x7fff_ffff),
  maxMessageSize: whole(1, Number.MAX_SAFE_INTEGER),
  connectTimeout: milliseconds,
  tlsTimeout: milliseconds,
  handshakeTimeout: milliseconds,
  bringUpTimeout: milliseconds,
  methodTimeout: milliseconds,
  blockedTimeout: milliseconds,
  closeTimeout: milliseconds,
  attempts: count(1),
  retryDelay: milliseconds,
  signal: (value) => (isAbortSignal(value) ? undefined : 'must be an AbortSignal'),
  connectionName: text,
  clientProperties: table,
  locale: shortText,
  tcp: record,
  transport: isFunction,
  ioThread: ioThreadFault,
  recovery: (value) => (value === false || isRecord(value) ? undefined : 'must be false or an object'),
  publishBuffer: record,
  maxUnconfirmed: whole(1, 10_000_000),
  joinAcks: (value) => (typeof value === 'boolean' ? undefined : 'must be true or false'),
};

function checkFields(
  given: Readonly<Record<string, unknown>>,
  fieldChecks: Readonly<Record<string, Check>>,
  prefix: string,
  faults: string[],
): void {
  for (const [name, value] of Object.entries(given)) {
    const check = Object.hasOwn(fieldChecks, name) ? fieldChecks[name] : undefined;
    if (!check) faults.push(`${prefix}${name}: unknown parameter`);
    else if (value !== undefined) {
      const problem = check(value);
      if (problem !== undefined) faults.push(`${prefix}${name}: ${problem}`);
    }
  }
}

/** Adds every fault of the parameters, but for those of URIs and TLS options, which need to be put together first. */
export function checkParameters(given: ConnectionParameters, faults: string[]): void {
  checkFields({ ...given }, checks, '', faults);
  const { recovery, publishBuffer, tcp } = given;
  if (isRecord(recovery)) checkFields(recovery, recoveryChecks, 'recovery.', faults);
  if (isRecord(publishBuffer)) checkFields(publishBuffer, publishBufferChecks, 'publishBuffer.', faults);
  if (isRecord(tcp)) checkFields(tcp, tcpChecks, 'tcp.', faults);
  if (given.url !== undefined && given.endpoints !== undefined) faults.push('url, endpoints: give one of the two');
  if (given.ioThread !== undefined && given.ioThread !== false && given.transport !== undefined) {
    faults.push('ioThread, transport: give one of the two');
  }
  checkLogin(given, '', faults);
}

/** Adds every fault of one of `endpoints`. */
export function checkEndpoint(endpoint: Readonly<Record<string, unknown>>, index: number, faults: string[]): void {
  const prefix = `endpoints[${String(index)}].`;
  checkFields(endpoint, endpointChecks, prefix, faults);
  checkLogin(endpoint, prefix, faults);
}

function checkLogin(given: EndpointParameters | ConnectionParameters, prefix: string, faults: string[]): void {
  if (given.credentials === undefined || (given.username === undefined && given.password === undefined)) return;
  faults.push(`${prefix}credentials, username, password: give credentials or the other two`);
}
