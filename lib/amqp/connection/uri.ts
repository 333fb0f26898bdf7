/**
 * AMQP URIs, by RabbitMQ's URI specification and its list of query parameters.
 *
 *   amqp[s]://[user[:password]@]host[:port][/virtual-host][?name=value&...]
 *
 * User, password and virtual host are percent-decoded. No path is the virtual host `/`; an empty one (a lone slash)
 * is the virtual host with the empty name. No error of this file repeats user name or password.
 */
import { readFileSync } from 'node:fs';
import type { TlsOptions } from '../transport/index.js';
import type { UriMechanism } from './credentials.js';

/** What a URI says; undefined where it is silent. */
export interface UriParts {
  host: string;
  port: number;
  tls: TlsOptions | false;
  username?: string;
  password?: string;
  virtualHost?: string;
  /** Seconds. */
  heartbeat?: number;
  /** Milliseconds. */
  connectTimeout?: number;
  channelMax?: number;
  /** By preference; none: what fits the credentials. */
  mechanisms?: UriMechanism[];
}

const mechanisms: Readonly<Record<string, UriMechanism>> = {
  plain: 'PLAIN',
  amqplain: 'AMQPLAIN',
  external: 'EXTERNAL',
};

const defaultPorts = { amqp: 5672, amqps: 5671 } as const;
const shape = /^(amqps?):\/\/(?:([^/?#@]*)@)?(\[[^\]]*\]|[^/?#:@]*)(?::([^/?#]*))?(?:\/([^?#]*))?(?:\?([^#]*))?$/i;

/** Reads a URI, adding every fault found to `faults`; undefined when it has no usable shape. */
export function parseUri(uri: string, faults: string[]): UriParts | undefined {
  const match = shape.exec(uri);
  if (!match) {
    faults.push('url: not of the form amqp[s]://user:password@host:port/virtual-host?parameters');
    return undefined;
  }
  const [, scheme = '', userInfo, rawHost = '', rawPort, path, query] = match;
  const isTls = scheme.toLowerCase() === 'amqps';
  const bare = rawHost.startsWith('[') ? rawHost.slice(1, -1) : rawHost;
  const host = decode(bare, 'host', faults) || 'localhost';
  const parts: UriParts = { host, port: isTls ? defaultPorts.amqps : defaultPorts.amqp, tls: isTls ? {} : false };
  if (rawPort !== undefined && rawPort !== '') {
    const port = Number(rawPort);
    if (/^\d+$/.test(rawPort) && port >= 1 && port <= 65_535) parts.port = port;
    // Not repeated: behind an unescaped "/" in a password, this is the password's beginning.
    else faults.push('url: the port is not a number from 1 to 65535');
  }
  if (userInfo !== undefined) {
    const colon = userInfo.indexOf(':');
    parts.username = decode(colon < 0 ? userInfo : userInfo.slice(0, colon), 'user name', faults);
    if (colon >= 0) parts.password = decode(userInfo.slice(colon + 1), 'password', faults);
  }
  if (path?.includes('@') === true || query?.includes('@') === true) {
    faults.push('url: an "@" behind the host; in user name and password write "/" as %2F, "?" as %3F and "#" as %23');
    return undefined;
  }
  if (path !== undefined) {
    if (path.includes('/')) faults.push('url: the virtual host holds a "/"; write it as %2F');
    else parts.virtualHost = decode(path, 'virtual host', faults);
  }
  if (query) readQuery(query, parts, faults);
  return parts;
}

function decode(text: string, what: string, faults: string[]): string {
  try {
    return decodeURIComponent(text);
  } catch {
    faults.push(`url: the ${what} is not valid percent-encoding`);
    return '';
  }
}

function readQuery(query: string, parts: UriParts, faults: string[]): void {
  const wholeNumber = (name: string, value: string, maximum: number): number | undefined => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number <= maximum) return number;
    faults.push(`url: ${name} must be a whole number from 0 to ${String(maximum)}`);
    return undefined;
  };
  const file = (name: string, path: string): Buffer | undefined => {
    try {
      return readFileSync(path);
    } catch {
      faults.push(`url: ${name} "${path}" cannot be read`);
      return undefined;
    }
  };
  const tls: TlsOptions = {};
  let hasTls = false;
  const seen = new Set<string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (seen.has(name) && name !== 'auth_mechanism') faults.push(`url: query parameter "${name}" is given twice`);
    seen.add(name);
    switch (name) {
      case 'heartbeat': {
        const heartbeat = wholeNumber(name, value, 65_535);
        if (heartbeat !== undefined) parts.heartbeat = heartbeat;
        break;
      }
      case 'connection_timeout': {
        const timeout = wholeNumber(name, value, 0x7fff_ffff);
        if (timeout !== undefined) parts.connectTimeout = timeout;
        break;
      }
      case 'channel_max': {
        const channelMax = wholeNumber(name, value, 65_535);
        if (channelMax !== undefined) parts.channelMax = channelMax;
        break;
      }
      case 'auth_mechanism': {
        const known = value.toLowerCase();
        const mechanism = Object.hasOwn(mechanisms, known) ? mechanisms[known] : undefined;
        if (mechanism) (parts.mechanisms ??= []).push(mechanism);
        else faults.push('url: auth_mechanism must be plain, amqplain or external');
        break;
      }
      case 'cacertfile':
      case 'certfile':
      case 'keyfile': {
        hasTls = true;
        const content = file(name, value);
        if (content) tls[name === 'cacertfile' ? 'ca' : name === 'certfile' ? 'cert' : 'key'] = content;
        break;
      }
      case 'verify':
        hasTls = true;
        if (value === 'verify_none') tls.rejectUnauthorized = false;
        else if (value !== 'verify_peer') faults.push('url: verify must be verify_peer or verify_none');
        break;
      case 'server_name_indication':
        hasTls = true;
        tls.servername = value;
        break;
      default:
        faults.push(`url: unknown query parameter "${name}"`);
    }
  }
  if (!hasTls) return;
  if (parts.tls === false) faults.push('url: TLS parameters need the scheme amqps');
  else parts.tls = tls;
}
