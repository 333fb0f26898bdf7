/**
 * Connection parameters: one documented object, every field optional, validated as a whole.
 *
 * `resolveParameters` names all faults at once and gives the form the other layers use, in which secrets are hidden.
 */
import { ParametersError } from '../errors.js';
import type { FieldTable } from '../protocol/index.js';
import type { TcpOptions, TlsOptions, TransportFactory } from '../transport/index.js';
import { SecretCredentials, type CredentialsSource } from './credentials.js';
import { parseUri, type UriParts } from './uri.js';

/** What may differ from endpoint to endpoint. What a URI says wins for its endpoint. */
export interface EndpointParameters {
  /** An AMQP URI. */
  url?: string | undefined;
  /** Default `localhost`. */
  host?: string | undefined;
  /** Default 5672, with TLS 5671. */
  port?: number | undefined;
  /** Default `/`. */
  virtualHost?: string | undefined;
  /** Default `guest`. */
  username?: string | undefined;
  /** Default `guest`. */
  password?: string | undefined;
  /** TLS with Node's options, or true for the defaults. Default: off, on for `amqps`. */
  tls?: TlsOptions | boolean | undefined;
}

export interface RecoveryParameters {
  /** Delay before the first attempt is drawn from 0 to this many milliseconds. Default 100. */
  initialDelay?: number | undefined;
  /** Cap of the delay in milliseconds; it doubles up to here. Default 10 000. */
  maxDelay?: number | undefined;
  /** Rounds over the endpoints before `failed`. Default Infinity. */
  attempts?: number | undefined;
}

/** What may wait while the connection is away or blocked. */
export interface PublishBufferParameters {
  /** Messages per channel. Default 1 000. */
  messages?: number | undefined;
  /** Bytes of bodies per channel; sixteen times that while the connection is up but takes no more. Default 16 MiB. */
  bytes?: number | undefined;
  /** Milliseconds a message waits before it fails with NotSentError; 0 fails at once. Default 10 000. */
  timeout?: number | undefined;
}

export interface ConnectionParameters extends Omit<EndpointParameters, 'url'> {
  /** One AMQP URI or several. */
  url?: string | readonly string[] | undefined;
  /** Several endpoints with parameters of their own. */
  endpoints?: readonly EndpointParameters[] | undefined;
  /** Order of the endpoints in a round. Default `as-given`. */
  order?: 'as-given' | 'shuffled' | undefined;
  /** Instead of `username` and `password`; a function is asked at every connect. */
  credentials?: CredentialsSource | undefined;
  /** Seconds; 0 is off; a function is given the broker's proposal. Default: the broker's proposal. */
  heartbeat?: number | ((proposed: number) => number) | undefined;
  /** Most channels. Default 2047, or less if the broker says so. */
  channelMax?: number | undefined;
  /** Largest frame in bytes, 8192 at least. Default 131072, or less if the broker says so. */
  frameMax?: number | undefined;
  /** Largest message that is taken in, in bytes. Default 128 MiB. */
  maxMessageSize?: number | undefined;
  /** Milliseconds to open a TCP or TLS connection to one endpoint. Default 10 000. */
  connectTimeout?: number | undefined;
  /** Milliseconds for each step of the AMQP handshake. Default 10 000. */
  handshakeTimeout?: number | undefined;
  /** Milliseconds for the broker's answer to a synchronous method. Default 30 000. */
  methodTimeout?: number | undefined;
  /** Milliseconds the broker may keep the connection blocked; 0 is without limit. Default 0. */
  blockedTimeout?: number | undefined;
  /** Milliseconds `close()` may take. Default 10 000. */
  closeTimeout?: number | undefined;
  /** Rounds over the endpoints at the first connect. Default 1; Infinity tries for ever. */
  attempts?: number | undefined;
  /** Milliseconds between rounds of the first connect. Default 2 000. */
  retryDelay?: number | undefined;
  /** Shown by the broker's tools. */
  connectionName?: string | undefined;
  /** Added to the client properties sent to the broker. */
  clientProperties?: FieldTable | undefined;
  /** Default `en_US`. */
  locale?: string | undefined;
  tcp?: TcpOptions | undefined;
  /** Carries the bytes instead of TCP or TLS. */
  transport?: TransportFactory | undefined;
  /** How a lost connection is rebuilt; false: not at all. Default: endless. */
  recovery?: RecoveryParameters | false | undefined;
  publishBuffer?: PublishBufferParameters | undefined;
  /** Publishes that may wait for their confirm, per channel; further ones wait unsent. Default 100 000. */
  maxUnconfirmed?: number | undefined;
}

/** An endpoint with everything a connect to it needs. */
export interface ResolvedEndpoint {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsOptions | false;
  readonly virtualHost: string;
  readonly credentials: SecretCredentials;
  readonly heartbeat: number | ((proposed: number) => number) | undefined;
  readonly channelMax: number;
  readonly connectTimeout: number;
}

export interface ResolvedParameters {
  readonly endpoints: readonly ResolvedEndpoint[];
  readonly order: 'as-given' | 'shuffled';
  readonly frameMax: number;
  readonly maxMessageSize: number;
  readonly handshakeTimeout: number;
  readonly methodTimeout: number;
  readonly blockedTimeout: number;
  readonly closeTimeout: number;
  readonly attempts: number;
  readonly retryDelay: number;
  readonly clientProperties: FieldTable;
  readonly locale: string;
  readonly tcp: TcpOptions;
  readonly transport: TransportFactory | undefined;
  readonly recovery: { readonly initialDelay: number; readonly maxDelay: number; readonly attempts: number } | false;
  readonly publishBuffer: { readonly messages: number; readonly bytes: number; readonly timeout: number };
  readonly maxUnconfirmed: number;
}

type Check = (value: unknown) => string | undefined;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text: Check = (value) => (typeof value === 'string' ? undefined : 'must be a string');
const shortText: Check = (value) =>
  typeof value === 'string' && Buffer.byteLength(value) <= 255 ? undefined : 'must be a string of up to 255 bytes';
const record: Check = (value) => (isRecord(value) ? undefined : 'must be an object');
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

const endpointChecks: Record<keyof EndpointParameters, Check> = {
  url: text,
  host: (value) => (typeof value === 'string' && value !== '' ? undefined : 'must be a host name or address'),
  port: whole(1, 65_535),
  virtualHost: shortText,
  username: text,
  password: text,
  tls: (value) => (typeof value === 'boolean' || isRecord(value) ? undefined : 'must be true, false or TLS options'),
};

const recoveryChecks: Record<keyof RecoveryParameters, Check> = {
  initialDelay: milliseconds,
  maxDelay: milliseconds,
  attempts: count(1),
};

const publishBufferChecks: Record<keyof PublishBufferParameters, Check> = {
  messages: count(0),
  bytes: count(0),
  timeout: milliseconds,
};

const tcpChecks: Record<keyof TcpOptions, Check> = {
  noDelay: (value) => (typeof value === 'boolean' ? undefined : 'must be true or false'),
  keepAlive: (value) => (value === false ? undefined : milliseconds(value)),
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
  order: (value) => (value === 'as-given' || value === 'shuffled' ? undefined : 'must be "as-given" or "shuffled"'),
  credentials: (value) =>
    typeof value === 'function' ||
    (isRecord(value) && typeof value['username'] === 'string' && typeof value['password'] === 'string')
      ? undefined
      : 'must be { username, password } or a function that gives them',
  heartbeat: (value) => (typeof value === 'function' ? undefined : whole(0, 65_535)(value)),
  channelMax: whole(0, 65_535),
  frameMax: whole(8192, 0x7fff_ffff),
  maxMessageSize: whole(1, Number.MAX_SAFE_INTEGER),
  connectTimeout: milliseconds,
  handshakeTimeout: milliseconds,
  methodTimeout: milliseconds,
  blockedTimeout: milliseconds,
  closeTimeout: milliseconds,
  attempts: count(1),
  retryDelay: milliseconds,
  connectionName: text,
  clientProperties: record,
  locale: shortText,
  tcp: record,
  transport: (value) => (typeof value === 'function' ? undefined : 'must be a function'),
  recovery: (value) => (value === false || isRecord(value) ? undefined : 'must be false or an object'),
  publishBuffer: record,
  maxUnconfirmed: whole(1, 10_000_000),
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

function requireRecord(given: unknown): void {
  if (!isRecord(given)) throw new ParametersError(['the parameters must be an object']);
}

/** Validates the parameters and fills in the defaults. Throws ParametersError with all faults. */
export function resolveParameters(given: ConnectionParameters): ResolvedParameters {
  const faults: string[] = [];
  requireRecord(given);
  checkFields({ ...given }, checks, '', faults);
  const { recovery, publishBuffer, tcp } = given;
  if (isRecord(recovery)) checkFields(recovery, recoveryChecks, 'recovery.', faults);
  if (isRecord(publishBuffer)) checkFields(publishBuffer, publishBufferChecks, 'publishBuffer.', faults);
  if (isRecord(tcp)) checkFields(tcp, tcpChecks, 'tcp.', faults);
  if (given.url !== undefined && given.endpoints !== undefined) faults.push('url, endpoints: give one of the two');
  if (given.credentials !== undefined && (given.username !== undefined || given.password !== undefined)) {
    faults.push('credentials, username, password: give credentials or the other two');
  }
  const endpoints = resolveEndpoints(given, faults);
  if (faults.length > 0) throw new ParametersError(faults);
  return {
    endpoints,
    order: given.order ?? 'as-given',
    frameMax: given.frameMax ?? 131_072,
    maxMessageSize: given.maxMessageSize ?? 128 * 1024 * 1024,
    handshakeTimeout: given.handshakeTimeout ?? 10_000,
    methodTimeout: given.methodTimeout ?? 30_000,
    blockedTimeout: given.blockedTimeout ?? 0,
    closeTimeout: given.closeTimeout ?? 10_000,
    attempts: given.attempts ?? 1,
    retryDelay: given.retryDelay ?? 2_000,
    clientProperties: {
      ...(given.connectionName === undefined ? {} : { connection_name: given.connectionName }),
      ...given.clientProperties,
    },
    locale: given.locale ?? 'en_US',
    tcp: tcp ?? {},
    transport: given.transport,
    recovery:
      recovery === false
        ? false
        : {
            initialDelay: recovery?.initialDelay ?? 100,
            maxDelay: recovery?.maxDelay ?? 10_000,
            attempts: recovery?.attempts ?? Infinity,
          },
    publishBuffer: {
      messages: publishBuffer?.messages ?? 1_000,
      bytes: publishBuffer?.bytes ?? 16 * 1024 * 1024,
      timeout: publishBuffer?.timeout ?? 10_000,
    },
    maxUnconfirmed: given.maxUnconfirmed ?? 100_000,
  };
}

function resolveEndpoints(given: ConnectionParameters, faults: string[]): ResolvedEndpoint[] {
  if (Array.isArray(given.endpoints)) {
    return given.endpoints.flatMap((endpoint: unknown, index) => {
      if (!isRecord(endpoint)) return [];
      checkFields(endpoint, endpointChecks, `endpoints[${String(index)}].`, faults);
      const merged = { ...given, ...(endpoint as EndpointParameters) };
      return resolveEndpoint(typeof endpoint['url'] === 'string' ? endpoint['url'] : undefined, merged, faults);
    });
  }
  const urls: unknown = given.url;
  if (typeof urls === 'string') return resolveEndpoint(urls, given, faults);
  if (Array.isArray(urls)) {
    return urls.flatMap((url: unknown) => (typeof url === 'string' ? resolveEndpoint(url, given, faults) : []));
  }
  return resolveEndpoint(undefined, given, faults);
}

function resolveEndpoint(
  url: string | undefined,
  given: Omit<ConnectionParameters, 'url'>,
  faults: string[],
): ResolvedEndpoint[] {
  let uri: Partial<UriParts> = {};
  if (url !== undefined) {
    const parsed = parseUri(url, faults);
    if (!parsed) return [];
    uri = parsed;
  }
  const givenTls = given.tls === true ? {} : (given.tls ?? false);
  // An amqps URI adds to TLS options that stand beside it; an amqp URI is plain only where none do.
  const tls = uri.tls ? { ...(givenTls || {}), ...uri.tls } : givenTls;
  const credentials: CredentialsSource =
    uri.username === undefined && given.credentials !== undefined
      ? given.credentials
      : {
          username: uri.username ?? given.username ?? 'guest',
          password: uri.password ?? given.password ?? (uri.username === undefined ? 'guest' : ''),
        };
  return [
    {
      host: uri.host ?? given.host ?? 'localhost',
      port: uri.port ?? given.port ?? (tls === false ? 5672 : 5671),
      tls,
      virtualHost: uri.virtualHost ?? given.virtualHost ?? '/',
      credentials: new SecretCredentials(credentials),
      heartbeat: uri.heartbeat ?? given.heartbeat,
      channelMax: uri.channelMax ?? given.channelMax ?? 2047,
      connectTimeout: uri.connectTimeout ?? given.connectTimeout ?? 10_000,
    },
  ];
}
