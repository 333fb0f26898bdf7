/**
 * RabbitMQ's definitions, as `rabbitmqctl export_definitions` and the management API write them, read for this broker.
 * Documented at https://www.rabbitmq.com/docs/definitions.
 *
 * Pure data, of which nothing is believed. Sections that the broker does not know are ignored, as in RabbitMQ's import.
 */
import { DefinitionsError } from '../../amqp/errors.js';
import type { Permissions, UserOptions } from '../serve/users.js';
import { exchangeTypes, type Binding, type ExchangeDeclaration, type ExchangeType } from '../store/exchange.js';
import type { PolicyOptions, PolicyTarget } from '../store/policy-rules.js';
import type { QueueDeclaration } from '../store/queue-arguments.js';
import { Entry, isObject, kindOf, own } from './entry.js';

/** An entity, the virtual host it is in, and where it stands in the definitions. */
export interface Placed<Entity> {
  readonly virtualHost: string;
  readonly entity: Entity;
  readonly path: string;
}

export interface Definitions {
  readonly virtualHosts: readonly string[];
  readonly users: readonly UserOptions[];
  readonly policies: readonly Placed<PolicyOptions & { readonly name: string }>[];
  readonly exchanges: readonly Placed<ExchangeDeclaration>[];
  readonly queues: readonly Placed<QueueDeclaration>[];
  readonly bindings: readonly Placed<Binding>[];
}

/** Throws DefinitionsError, which names every fault found, and no password. */
export function readDefinitions(definitions: unknown): Definitions {
  if (definitions === undefined) {
    return { virtualHosts: [], users: [], policies: [], exchanges: [], queues: [], bindings: [] };
  }
  if (!isObject(definitions)) {
    throw new DefinitionsError([`definitions: must be an object (parsed JSON), not ${kindOf(definitions)}`]);
  }
  const faults: string[] = [];
  const section = <Entity>(name: string, read: (entry: Entry, path: string) => Entity | undefined): Entity[] => {
    const list = own(definitions, name) ?? [];
    if (!Array.isArray(list)) {
      faults.push(`${name}: must be a list, not ${kindOf(list)}`);
      return [];
    }
    return list.flatMap((value: unknown, index) => {
      const path = `${name}[${String(index)}]`;
      const entry = new Entry(value, path, faults);
      // One fault says enough of what is no object.
      if (entry.isFaulty) return [];
      const entity = read(entry, path);
      return entity === undefined ? [] : [entity];
    });
  };
  const granted = new Map<string, Record<string, Permissions>>();
  const virtualHosts = section('vhosts', (entry) => entry.name('name'));
  const logins = section('users', readLogin);
  for (const { name } of logins) granted.set(name, {});
  // The broker has guest/guest, who may do everything in `/` until it is said otherwise, as on RabbitMQ.
  const isGuestNamed = granted.has('guest');
  if (!isGuestNamed) granted.set('guest', {});
  section('permissions', (entry) => readPermission(entry, granted));
  const ofGuest = granted.get('guest') ?? {};
  if (!isGuestNamed && Object.keys(ofGuest).length > 0) logins.push({ name: 'guest', password: 'guest' });
  if (!isGuestNamed) granted.set('guest', { '/': {}, ...ofGuest });
  const read = {
    virtualHosts,
    users: logins.map((login) => ({ ...login, virtualHosts: granted.get(login.name) ?? {} })),
    policies: section('policies', placed(readPolicy)),
    exchanges: section('exchanges', placed(readExchange)),
    queues: section('queues', placed(readQueue)),
    bindings: section('bindings', placed(readBinding)),
  };
  if (faults.length > 0) throw new DefinitionsError(faults);
  return read;
}

/** Of what stands in the definitions of one virtual host, none is said: it goes to `/`. */
function placed<Entity>(read: (entry: Entry) => Entity | undefined) {
  return (entry: Entry, path: string): Placed<Entity> | undefined => {
    const entity = read(entry);
    return entity === undefined ? undefined : { virtualHost: entry.name('vhost', '/'), entity, path };
  };
}

const hashings: Readonly<Record<string, 'sha256' | 'sha512'>> = {
  rabbit_password_hashing_sha256: 'sha256',
  rabbit_password_hashing_sha512: 'sha512',
};

function readLogin(entry: Entry): UserOptions {
  const name = entry.name('name');
  if (name === '' && !entry.isFaulty) entry.fault('name', 'is empty');
  if (entry.has('password')) return { name, password: entry.text('password') };
  const hash = entry.text('password_hash', '');
  // Nobody logs in as a user without a password.
  if (hash === '') return { name };
  const hashing = entry.text('hashing_algorithm', 'rabbit_password_hashing_sha256');
  const algorithm = Object.hasOwn(hashings, hashing) ? hashings[hashing] : undefined;
  if (algorithm === undefined) {
    entry.fault('hashing_algorithm', `must be one of ${Object.keys(hashings).join(', ')}`);
    return { name };
  }
  const least = algorithm === 'sha256' ? 36 : 68;
  if (Buffer.from(hash, 'base64').length !== least) {
    entry.fault('password_hash', `must be ${String(least)} bytes in base64: a salt of four, and the hash`);
  }
  return { name, passwordHash: { algorithm, hash } };
}

function readPermission(entry: Entry, granted: ReadonlyMap<string, Record<string, Permissions>>): undefined {
  const user = entry.name('user');
  const permissions = {
    configure: pattern(entry, 'configure'),
    write: pattern(entry, 'write'),
    read: pattern(entry, 'read'),
  };
  const virtualHost = entry.name('vhost', '/');
  if (entry.isFaulty) return;
  const hosts = granted.get(user);
  if (hosts) Object.defineProperty(hosts, virtualHost, { value: permissions, enumerable: true, configurable: true });
  else entry.fault('user', 'is no user of these definitions, nor guest');
}

function pattern(entry: Entry, field: string): string {
  const source = entry.text(field);
  try {
    new RegExp(source);
  } catch {
    entry.fault(field, 'is no regular expression that JavaScript reads');
  }
  return source;
}

/** What stands in its definition is checked where it is set: that depends on the version. */
function readPolicy(entry: Entry): PolicyOptions & { readonly name: string } {
  return {
    name: entry.name('name'),
    pattern: pattern(entry, 'pattern'),
    definition: entry.table('definition'),
    priority: entry.integer('priority', 0),
    applyTo: entry.text('apply-to', 'all') as PolicyTarget,
  };
}

function readExchange(entry: Entry): ExchangeDeclaration | undefined {
  const name = entry.name('name');
  // They are there by themselves, and so RabbitMQ's import skips them.
  if (!entry.isFaulty && (name === '' || name.startsWith('amq.'))) return undefined;
  const type = entry.text('type');
  if (!entry.isFaulty && !isExchangeType(type)) entry.fault('type', `must be one of ${exchangeTypes.join(', ')}`);
  return {
    name,
    type: isExchangeType(type) ? type : 'direct',
    isDurable: entry.flag('durable'),
    isAutoDelete: entry.flag('auto_delete', false),
    isInternal: entry.flag('internal', false),
    arguments: entry.table('arguments'),
  };
}

function isExchangeType(type: string): type is ExchangeType {
  return exchangeTypes.some((known) => known === type);
}

function readQueue(entry: Entry): QueueDeclaration | undefined {
  const name = entry.name('name');
  if (!entry.isFaulty && name === '') entry.fault('name', 'is empty');
  if (!entry.isFaulty && name.startsWith('amq.')) return undefined;
  const table = entry.table('arguments');
  const type = entry.text('type', '');
  const isTypeMissing = (type === 'quorum' || type === 'stream') && !Object.hasOwn(table, 'x-queue-type');
  return {
    name,
    isDurable: entry.flag('durable'),
    isAutoDelete: entry.flag('auto_delete', false),
    exclusiveOwner: undefined,
    arguments: isTypeMissing ? { ...table, 'x-queue-type': type } : table,
  };
}

function readBinding(entry: Entry): Binding | undefined {
  const source = entry.name('source');
  const kind = entry.text('destination_type');
  const destination = entry.name('destination');
  const routingKey = entry.name('routing_key', '');
  const table = entry.table('arguments');
  if (entry.isFaulty) return undefined;
  if (kind !== 'queue' && kind !== 'exchange') {
    entry.fault('destination_type', 'must be "queue" or "exchange"');
    return undefined;
  }
  // The default exchange binds by itself; what is bound to a queue that the broker named is gone.
  if (source === '' || (kind === 'queue' && destination.startsWith('amq.'))) return undefined;
  return { source, destinationKind: kind, destination, routingKey, arguments: table };
}
