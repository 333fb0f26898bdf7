/**
 * RabbitMQ's definitions JSON, as far as a connection can declare it: what `rabbitmqctl export_definitions` and
 * `import_definitions` and the management API's `/api/definitions` write and read.
 * Documented at https://www.rabbitmq.com/docs/definitions.
 *
 *   definitions = { "exchanges": [...], "queues": [...], "bindings": [...], users, policies, ...: not ours }
 *
 * The shapes alone: definitions-export.ts writes them, definitions-import.ts reads them.
 */
import type { TopologyRecord } from './topology-record.js';

/** What JSON and RabbitMQ's import of it can hold of an argument; there is no null in it. */
export type DefinitionsValue =
  string | number | boolean | readonly DefinitionsValue[] | { readonly [name: string]: DefinitionsValue };

/** Arguments of a declaration, by name. */
export type DefinitionsArguments = Readonly<Record<string, DefinitionsValue>>;

/** An exchange, as RabbitMQ's definitions say it. */
export interface ExchangeDefinition {
  /** Its name. */
  readonly name: string;
  /** The virtual host it is in. */
  readonly vhost: string;
  /** `direct`, `fanout`, `topic`, `headers`, or a plugin's. */
  readonly type: string;
  /** Survives a restart of the broker. */
  readonly durable: boolean;
  /** Deleted when the last that needs it goes. */
  readonly auto_delete: boolean;
  /** Takes no publishes, only bindings. */
  readonly internal: boolean;
  /** Arguments of the declaration. */
  readonly arguments: DefinitionsArguments;
}

/** A queue, as RabbitMQ's definitions say it. */
export interface QueueDefinition {
  /** Its name. */
  readonly name: string;
  /** The virtual host it is in. */
  readonly vhost: string;
  /** Survives a restart of the broker. */
  readonly durable: boolean;
  /** Deleted when the last that needs it goes. */
  readonly auto_delete: boolean;
  /** Arguments of the declaration. */
  readonly arguments: DefinitionsArguments;
}

/** A binding, as RabbitMQ's definitions say it. */
export interface BindingDefinition {
  /** The exchange that messages come from. */
  readonly source: string;
  /** The virtual host it is in. */
  readonly vhost: string;
  /** The queue or exchange that they go to. */
  readonly destination: string;
  /** What `destination` names. */
  readonly destination_type: 'queue' | 'exchange';
  /** What their routing key is held against. */
  readonly routing_key: string;
  /** Arguments of the declaration. */
  readonly arguments: DefinitionsArguments;
}

/**
 * RabbitMQ's definitions, as far as a connection can declare them. There is no `vhosts` section: RabbitMQ would set the
 * description and the tags of a virtual host that exists anew.
 */
export interface RabbitmqDefinitions {
  /** Sorted by name. */
  readonly exchanges: readonly ExchangeDefinition[];
  /** Sorted by name. */
  readonly queues: readonly QueueDefinition[];
  /** Sorted by what they say. */
  readonly bindings: readonly BindingDefinition[];
}

/** Exchanges, queues and bindings; a TopologyRecord is one. */
export type TopologyEntities = Pick<TopologyRecord, 'exchanges' | 'queues' | 'bindings'>;

/** Names that only the broker may give. Its import skips them, with a line in its log. */
export function isReserved(name: string): boolean {
  return name.startsWith('amq.');
}

/** What every virtual host has by itself: the default exchange, `amq.direct` and its like. */
export function isPredeclaredExchange(name: string): boolean {
  return name === '' || isReserved(name);
}
