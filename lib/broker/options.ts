/** The options of the embedded broker, and their defaults. */
import { ArgumentError } from '../amqp/errors.js';
import type { TlsOptions as TlsServerOptions } from 'node:tls';
import { shown } from './shown.js';
import { behaviourOf, emulatedVersions, type EmulatedVersion } from './store/behaviour.js';
import type { PolicyOptions } from './store/policy-rules.js';
import { certificateLogins, type CertificateLogin } from './serve/certificate-name.js';
import type { Permissions, UserOptions } from './serve/users.js';

export interface BrokerOptions {
  /** TCP port; 0 takes any free one. Without it the broker is in memory only: use `broker.memory()`. */
  port?: number | false | undefined;
  /** Address to listen on. Default `127.0.0.1`. */
  host?: string | undefined;
  /** The RabbitMQ version whose behaviour is played. Default `4.3`. */
  emulate?: EmulatedVersion | undefined;
  /** Users beside guest/guest. One named `guest` replaces it. */
  users?: readonly UserOptions[] | undefined;
  /** Virtual hosts beside `/`. */
  virtualHosts?: readonly string[] | undefined;
  /** Policies that are there from the start; see `setPolicy`. */
  policies?: readonly (PolicyOptions & { readonly name: string })[] | undefined;
  /** Heartbeat time-out that is proposed to clients, in seconds; 0 is off. Default 60. */
  heartbeat?: number | undefined;
  /** frame_max that is proposed to clients, in bytes: from 8192 on, as 3.10 from 4096 on; 0 is no limit. Default 131072. */
  frameMax?: number | undefined;
  /** channel_max that is proposed to clients; 0 is no limit. Default 2047. */
  channelMax?: number | undefined;
  /** Milliseconds that a client has for its handshake; 0 is no limit. Default 10 000. */
  handshakeTimeout?: number | undefined;
  /**
   * Bytes that queues and open transactions may hold together: bodies, properties and 512 bytes for each message; a message
   * in two queues counts twice. Above it publishing connections are blocked (`connection.blocked`: `low on memory`) and not read, until nine
   * tenths of it are in use. Infinity: no limit. Default 536870912 (512 MiB).
   */
  memoryLimit?: number | undefined;
  /**
   * RabbitMQ's definitions, parsed from JSON, which are there from the start: `vhosts`, `users` with `password` or
   * `password_hash` (SHA-256, SHA-512), `permissions`, `policies`, `exchanges`, `queues`, `bindings`. Other sections are ignored.
   */
  definitions?: unknown;
  /**
   * Serve TLS on the port, with Node's own server options (`cert` and `key`, or `pfx`, `ca`, `requestCert`, ...). With `requestCert`
   * clients may log in by their certificate (EXTERNAL), as a user who is there.
   */
  tls?: TlsServerOptions | undefined;
  /**
   * What of a certificate that was verified is the user's name, as RabbitMQ's ssl_cert_login_from: its whole subject
   * (`CN=shop,O=Example`), or its common name alone. Default `distinguished_name`.
   */
  certificateLogin?: CertificateLogin | undefined;
}

/** All options, with nothing left open. */
export interface ResolvedOptions {
  /** Undefined: in memory only. */
  readonly port: number | undefined;
  readonly host: string;
  readonly emulate: EmulatedVersion;
  readonly users: readonly UserOptions[];
  readonly virtualHosts: readonly string[];
  readonly policies: readonly (PolicyOptions & { readonly name: string })[];
  readonly heartbeat: number;
  readonly frameMax: number;
  readonly channelMax: number;
  readonly handshakeTimeout: number;
  readonly memoryLimit: number;
  readonly definitions: unknown;
  readonly tls: TlsServerOptions | undefined;
  readonly certificateLogin: CertificateLogin;
}

/** Fills in the defaults, or throws ArgumentError. */
export function resolveOptions(options: BrokerOptions): ResolvedOptions {
  assertKnown(options);
  const { port, emulate = '4.3', certificateLogin = 'distinguished_name' } = options;
  if (!emulatedVersions.includes(emulate)) {
    throw new ArgumentError('emulate', `must be one of ${emulatedVersions.join(', ')}, not ${shown(emulate)}`);
  }
  if (!certificateLogins.includes(certificateLogin)) {
    throw new ArgumentError(
      'certificateLogin',
      `must be one of ${certificateLogins.join(', ')}, not ${shown(certificateLogin)}`,
    );
  }
  return {
    port: port === false || port === undefined ? undefined : integer('port', port, 0xffff),
    host: checkedHost(options.host ?? '127.0.0.1'),
    emulate,
    users: checkedUsers(options.users ?? []),
    virtualHosts: checkedVirtualHosts(options.virtualHosts ?? []),
    policies: checkedPolicies(options.policies ?? []),
    heartbeat: integer('heartbeat', options.heartbeat ?? 60, 0xffff),
    frameMax: frameMax(options.frameMax ?? 131_072, emulate),
    channelMax: integer('channelMax', options.channelMax ?? 2047, 0xffff),
    handshakeTimeout: integer('handshakeTimeout', options.handshakeTimeout ?? 10_000, 0x7fff_ffff),
    memoryLimit: memoryLimit(options.memoryLimit ?? 512 * 1024 * 1024),
    definitions: options.definitions,
    tls: checkedTls(options.tls),
    certificateLogin,
  };
}

function integer(name: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new ArgumentError(name, `must be an integer from 0 to ${String(most)}, not ${shown(value)}`);
}

const knownOptions: Readonly<Record<keyof BrokerOptions, true>> = {
  port: true,
  host: true,
  emulate: true,
  users: true,
  virtualHosts: true,
  policies: true,
  heartbeat: true,
  frameMax: true,
  channelMax: true,
  handshakeTimeout: true,
  memoryLimit: true,
  definitions: true,
  tls: true,
  certificateLogin: true,
};

function assertKnown(options: unknown): void {
  if (!isObject(options)) throw new ArgumentError('options', `must be an object, not ${shown(options)}`);
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(knownOptions, name));
  if (unknown === undefined) return;
  throw new ArgumentError(unknown, `unknown option; there is: ${Object.keys(knownOptions).join(', ')}`);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkedHost(host: unknown): string {
  if (typeof host === 'string' && host !== '') return host;
  throw new ArgumentError('host', `must be an address to listen on, as a string, not ${shown(host)}`);
}

function checkedVirtualHosts(names: readonly string[]): readonly string[] {
  if (!isList(names)) throw new ArgumentError('virtualHosts', `must be a list of names, not ${shown(names)}`);
  for (const [index, name] of names.entries()) {
    if (typeof name === 'string' && name !== '') continue;
    throw new ArgumentError(`virtualHosts[${String(index)}]`, `must be a name, not ${shown(name)}`);
  }
  return names;
}

/** What is less the broker refuses to every client that takes it, as that version does. */
function frameMax(value: number, version: EmulatedVersion): number {
  const given = integer('frameMax', value, 0xffff_ffff);
  const { leastFrameMax } = behaviourOf(version);
  if (given === 0 || given >= leastFrameMax) return given;
  throw new ArgumentError(
    'frameMax',
    `must be 0 (no limit) or at least ${String(leastFrameMax)}, the least that RabbitMQ ${version} takes, not ${String(given)}`,
  );
}

/** Without a certificate no client could ever finish its handshake. */
function checkedTls(tls: TlsServerOptions | undefined): TlsServerOptions | undefined {
  if (tls === undefined) return undefined;
  if (!isObject(tls)) throw new ArgumentError('tls', `must be an object with cert and key, not ${shown(tls)}`);
  const { cert, key, privateKeyIdentifier, pfx, SNICallback, pskCallback } = tls;
  const hasPair = cert !== undefined && (key !== undefined || privateKeyIdentifier !== undefined);
  if (hasPair || pfx !== undefined || SNICallback !== undefined || pskCallback !== undefined) return tls;
  throw new ArgumentError('tls', 'needs a certificate: cert and key, or pfx');
}

function isList(value: unknown): boolean {
  return Array.isArray(value);
}

const knownOfUsers = new Set(['name', 'password', 'passwordHash', 'virtualHosts']);

/** They may come out of a file. No password is repeated. */
function checkedUsers(users: readonly UserOptions[]): readonly UserOptions[] {
  if (!isList(users)) throw new ArgumentError('users', 'must be a list');
  const names = new Set<string>();
  for (const [index, user] of users.entries()) {
    const path = `users[${String(index)}]`;
    if (typeof user !== 'object' || (user as unknown) === null) throw new ArgumentError(path, 'must be an object');
    const unknown = Object.keys(user).find((key) => !knownOfUsers.has(key));
    if (unknown !== undefined) {
      throw new ArgumentError(`${path}.${unknown}`, `unknown; there is: ${[...knownOfUsers].join(', ')}`);
    }
    if (typeof user.name !== 'string' || user.name === '') throw new ArgumentError(`${path}.name`, 'must be a name');
    if (names.has(user.name)) throw new ArgumentError(`${path}.name`, `there are two users "${user.name}"`);
    names.add(user.name);
    if (user.password !== undefined && typeof user.password !== 'string') {
      throw new ArgumentError(`${path}.password`, 'must be a string');
    }
    if (user.virtualHosts !== undefined) checkPermissions(`${path}.virtualHosts`, user.virtualHosts);
  }
  return users;
}

function checkPermissions(path: string, virtualHosts: Readonly<Record<string, Permissions>>): void {
  if (typeof virtualHosts !== 'object' || (virtualHosts as unknown) === null || Array.isArray(virtualHosts)) {
    throw new ArgumentError(path, 'must be an object: permissions by the name of the virtual host');
  }
  for (const [host, permissions] of Object.entries(virtualHosts)) {
    if (typeof permissions !== 'object' || (permissions as unknown) === null) {
      throw new ArgumentError(`${path}.${host}`, 'must be an object: configure, write, read');
    }
    for (const [name, source] of Object.entries(permissions) as [string, unknown][]) {
      if (!['configure', 'write', 'read'].includes(name)) {
        throw new ArgumentError(`${path}.${host}.${name}`, 'unknown; there is: configure, write, read');
      }
      try {
        if (typeof source === 'string') new RegExp(source);
        else if (source !== undefined) throw new Error('no string');
      } catch {
        throw new ArgumentError(`${path}.${host}.${name}`, 'must be a regular expression, as a string');
      }
    }
  }
}

/** Each by itself is checked where it is set. */
function checkedPolicies(policies: ResolvedOptions['policies']): ResolvedOptions['policies'] {
  if (!isList(policies)) throw new ArgumentError('policies', 'must be a list');
  for (const [index, policy] of policies.entries()) {
    if (typeof policy === 'object' && (policy as unknown) !== null) continue;
    throw new ArgumentError(`policies[${String(index)}]`, 'must be an object');
  }
  return policies;
}

function memoryLimit(value: number): number {
  if (typeof value === 'number' && value > 0) return value;
  throw new ArgumentError('memoryLimit', `must be a number of bytes above 0, or Infinity, not ${shown(value)}`);
}
