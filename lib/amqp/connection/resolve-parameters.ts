/** From what users give to what the other layers use: all faults named at once, defaults filled in, secrets hidden. */
import { ParametersError } from '../errors.js';
import { connectTcp, tlsOptionFaults, type TlsOptions } from '../transport/index.js';
import { SecretCredentials, type CredentialsSource } from './credentials.js';
import { ioThreadOf, uncloneableOptions, type IoThreadOpener } from './io-thread-parameters.js';
import { checkEndpoint, checkParameters, isRecord } from './parameter-checks.js';
import {
  publishBufferDefaults,
  type ConnectionParameters,
  type EndpointParameters,
  type ResolvedEndpoint,
  type ResolvedParameters,
} from './parameters.js';
import { PlaintextGuard } from './plaintext.js';
import { parseUri, type UriParts } from './uri.js';

/**
 * Validates the parameters and fills in the defaults. Throws ParametersError with all faults.
 * `openInThread` is what `ioThread` needs.
 */
export function resolveParameters(given: ConnectionParameters, openInThread?: IoThreadOpener): ResolvedParameters {
  requireRecord(given);
  const faults: string[] = [];
  checkParameters(given, faults);
  const { recovery, publishBuffer } = given;
  const endpoints = resolveEndpoints(given, faults);
  const ioThread = ioThreadOf(given.ioThread);
  if (ioThread && isRecord(given.tcp)) faults.push(...uncloneableOptions(given.tcp, 'tcp'));
  // Several endpoints may share a fault.
  if (faults.length > 0) throw new ParametersError([...new Set(faults)]);
  return {
    connectionName: given.connectionName,
    endpoints,
    order: given.order ?? 'as-given',
    plaintext: new PlaintextGuard(given.plaintext ?? 'warn'),
    frameMax: given.frameMax ?? 131_072,
    maxHeaderSize: given.maxHeaderSize ?? 16 * 1024 * 1024,
    maxMessageSize: given.maxMessageSize ?? 128 * 1024 * 1024,
    tlsTimeout: given.tlsTimeout ?? 10_000,
    handshakeTimeout: given.handshakeTimeout ?? 10_000,
    bringUpTimeout: given.bringUpTimeout ?? 30_000,
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
    tcp: given.tcp ?? {},
    transport: given.transport,
    openSocket: ioThread && openInThread ? openInThread(ioThread) : connectTcp,
    recovery:
      recovery === false
        ? false
        : {
            initialDelay: recovery?.initialDelay ?? 100,
            maxDelay: recovery?.maxDelay ?? 10_000,
            attempts: recovery?.attempts ?? Infinity,
            when: recovery?.when,
          },
    publishBuffer: {
      messages: publishBuffer?.messages ?? publishBufferDefaults.messages,
      bytes: publishBuffer?.bytes ?? publishBufferDefaults.bytes,
      timeout: publishBuffer?.timeout ?? publishBufferDefaults.timeout,
    },
    maxUnconfirmed: given.maxUnconfirmed ?? 100_000,
    joinAcks: given.joinAcks ?? true,
    signal: given.signal,
  };
}

function requireRecord(given: unknown): void {
  if (!isRecord(given)) throw new ParametersError(['the parameters must be an object']);
}

function resolveEndpoints(given: ConnectionParameters, faults: string[]): ResolvedEndpoint[] {
  if (Array.isArray(given.endpoints)) {
    return given.endpoints.flatMap((endpoint: unknown, index) => {
      if (!isRecord(endpoint)) return [];
      checkEndpoint(endpoint, index, faults);
      const merged = mergeEndpoint(given, endpoint);
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

/** What the endpoint says replaces what stands beside it; a login is replaced as a whole where it changes its form. */
function mergeEndpoint(given: ConnectionParameters, endpoint: EndpointParameters): Omit<ConnectionParameters, 'url'> {
  const said = Object.fromEntries(Object.entries(endpoint).filter(([, value]) => value !== undefined));
  const merged = { ...given, ...(said as EndpointParameters) };
  if (endpoint.credentials !== undefined) return { ...merged, username: undefined, password: undefined };
  if (endpoint.username !== undefined || endpoint.password !== undefined) return { ...merged, credentials: undefined };
  return merged;
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
  const tls = mergeTls(uri.tls, given.tls);
  if (isRecord(tls)) faults.push(...tlsOptionFaults(tls, 'tls'));
  if (isRecord(tls) && ioThreadOf(given.ioThread)) faults.push(...uncloneableOptions(tls, 'tls'));
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
      credentials: new SecretCredentials(credentials, uri.mechanisms),
      heartbeat: uri.heartbeat ?? given.heartbeat,
      channelMax: uri.channelMax ?? given.channelMax ?? 2047,
      connectTimeout: uri.connectTimeout ?? given.connectTimeout ?? 10_000,
    },
  ];
}

/** An amqps URI adds to TLS options that stand beside it; an amqp URI is plain only where none do. */
function mergeTls(ofUri: TlsOptions | false | undefined, beside: TlsOptions | boolean | undefined): TlsOptions | false {
  const given = beside === true ? {} : (beside ?? false);
  return ofUri ? { ...(isRecord(given) ? given : {}), ...ofUri } : given;
}
