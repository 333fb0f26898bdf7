/**
 * Users: who may log in, to which virtual hosts, and what they may do there.
 *
 * Pure; knows RabbitMQ's three permissions and the words it refuses with.
 */
import { channelRefusal } from '../store/reply-error.js';
import type { VirtualHost } from '../store/virtual-host.js';

/** Regular expressions over names of queues and exchanges, as `rabbitmqctl set_permissions` takes them. */
export interface Permissions {
  /** Declare and delete. Default `.*`. */
  readonly configure?: string;
  /** Publish, and bind to. Default `.*`. */
  readonly write?: string;
  /** Consume, get, purge, and bind from. Default `.*`. */
  readonly read?: string;
}

export interface UserOptions {
  readonly name: string;
  readonly password: string;
  /** Permissions by virtual host. Unless given, the user may do everything everywhere. */
  readonly virtualHosts?: Readonly<Record<string, Permissions>>;
}

export type PermissionName = keyof Permissions;

export class User {
  readonly name: string;
  readonly #password: string;
  readonly #virtualHosts: ReadonlyMap<string, Record<PermissionName, RegExp>> | undefined;

  constructor(options: UserOptions) {
    this.name = options.name;
    this.#password = options.password;
    const { virtualHosts } = options;
    this.#virtualHosts =
      virtualHosts && new Map(Object.entries(virtualHosts).map(([name, granted]) => [name, compiled(granted)]));
  }

  hasPassword(password: string): boolean {
    return password === this.#password;
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

function compiled(granted: Permissions): Record<PermissionName, RegExp> {
  const expression = (source = '.*'): RegExp => new RegExp(source);
  return {
    configure: expression(granted.configure),
    write: expression(granted.write),
    read: expression(granted.read),
  };
}
