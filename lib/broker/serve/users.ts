/**
 * Users: who may log in, to which virtual hosts, and what they may do there.
 *
 * Pure; knows RabbitMQ's three permissions and the words it refuses with.
 */
import { channelRefusal } from '../store/reply-error.js';
import type { VirtualHost } from '../store/virtual-host.js';
import { nodeCrypto } from './node-crypto.js';

/** Regular expressions over names of queues and exchanges, as `rabbitmqctl set_permissions` takes them. */
export interface Permissions {
  /** Declare and delete. Default `.*`. */
  readonly configure?: string;
  /** Publish, and bind to. Default `.*`. */
  readonly write?: string;
  /** Consume, get, purge, and bind from. Default `.*`. */
  readonly read?: string;
}

/** A password as RabbitMQ's definitions hold it: https://www.rabbitmq.com/docs/passwords */
export interface PasswordHash {
  readonly algorithm: 'sha256' | 'sha512';
  /** In base64: four bytes of salt, then the hash of salt and password. */
  readonly hash: string;
}

export interface UserOptions {
  readonly name: string;
  /** Without it, and without `passwordHash`, nobody logs in as this user but by a certificate. */
  readonly password?: string | undefined;
  /** Instead of `password`, what RabbitMQ keeps of one. */
  readonly passwordHash?: PasswordHash | undefined;
  /** Permissions by virtual host. Unless given, the user may do everything everywhere. */
  readonly virtualHosts?: Readonly<Record<string, Permissions>>;
}

export type PermissionName = keyof Permissions;

export class User {
  readonly name: string;
  readonly #hasPassword: (password: string) => boolean;
  readonly #virtualHosts: ReadonlyMap<string, Record<PermissionName, RegExp>> | undefined;

  constructor(options: UserOptions) {
    this.name = options.name;
    this.#hasPassword = passwordCheck(options);
    const { virtualHosts } = options;
    this.#virtualHosts =
      virtualHosts && new Map(Object.entries(virtualHosts).map(([name, granted]) => [name, compiled(granted)]));
  }

  hasPassword(password: string): boolean {
    return this.#hasPassword(password);
  }

  mayOpen(virtualHost: string): boolean {
    return this.#virtualHosts?.has(virtualHost) ?? true;
  }

  /** Throws 403 when the user has no permission at all: what a passive declare asks for. */
  authoriseLook(virtualHost: VirtualHost, kind: 'queue' | 'exchange', name: string): void {
    const granted = this.#virtualHosts?.get(virtualHost.name);
    if (!granted || !virtualHost.behaviour.guardsPassiveDeclares) return;
    if (granted.read.test(name) || granted.write.test(name)) return;
    this.authorise(virtualHost, 'configure', kind, name);
  }

  /** Throws 403 when the user lacks the permission. */
  authorise(virtualHost: VirtualHost, permission: PermissionName, kind: 'queue' | 'exchange', name: string): void {
    const granted = this.#virtualHosts?.get(virtualHost.name);
    if (!granted) return;
    const resource = kind === 'exchange' && name === '' ? 'amq.default' : name;
    if (granted[permission].test(resource)) return;
    const what = virtualHost.behaviour.namesMissingPermission ? `${permission} access` : 'access';
    throw channelRefusal(
      'accessRefused',
      `${what} to ${kind} '${resource}' in vhost '${virtualHost.name}' refused for user '${this.name}'`,
    );
  }
}

/** How a password is told to be right; what is known of it stays in here. */
function passwordCheck({ password: known, passwordHash }: UserOptions): (password: string) => boolean {
  if (known !== undefined) return (password) => password === known;
  if (!passwordHash) return () => false;
  const bytes = Buffer.from(passwordHash.hash, 'base64');
  const [salt, hash] = [bytes.subarray(0, 4), bytes.subarray(4)];
  return (password) =>
    nodeCrypto().createHash(passwordHash.algorithm).update(salt).update(password).digest().equals(hash);
}

function compiled(granted: Permissions): Record<PermissionName, RegExp> {
  // RabbitMQ reads an empty one as "nothing".
  const expression = (source = '.*'): RegExp => new RegExp(source === '' ? '^$' : source);
  return {
    configure: expression(granted.configure),
    write: expression(granted.write),
    read: expression(granted.read),
  };
}
