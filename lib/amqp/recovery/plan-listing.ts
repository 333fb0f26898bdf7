/**
 * What the management API adds to a plan: bindings, which AMQP cannot ask for, exact arguments, and policies.
 *
 * JSON knows no wire types: values are the same here when the broker would write them the same. Pure data: must not know
 * HTTP or channels.
 */
import { TypedField, type FieldTable, type FieldValue } from '../protocol/index.js';
import type { DefinitionsArguments } from './definitions.js';
import type { BrokerListing } from './management.js';
import type { Difference, EntityOnBroker, PlanFindings, PlannedEntity } from './planned-entity.js';
import type { BindingRecord, ExchangeRecord, QueueRecord } from './topology-record.js';

/** The entities, as the broker's declares and the listing tell them together, and the bindings that nobody declared. */
export function withListing(entities: readonly PlannedEntity[], listing: BrokerListing): PlanFindings {
  const known = new Map<string, ListedBinding[]>();
  for (const listed of listing.bindings) {
    const key = keyOf(listed);
    const others = known.get(key);
    if (others) others.push(listed);
    else known.set(key, [listed]);
  }
  const declared = new Set<ListedBinding>();
  const completed = entities.map((entity) => {
    if (entity.kind !== 'binding') return completeEntity(entity, listing);
    const binding = entity.declared as BindingRecord;
    const listed = known.get(keyOf(binding))?.find((one) => isAsListed(binding.arguments, one.arguments));
    if (listed) declared.add(listed);
    // Those of the default exchange are there by themselves, with their queues, and are not in the listing.
    const isDefault = binding.source === '' && binding.routingKey === binding.destination;
    if (isDefault) return { ...entity, state: listing.queues.has(binding.destination) ? 'equal' : 'missing' } as const;
    return { ...entity, state: listed ? 'equal' : 'missing' } as const;
  });
  const ours = new Set(entities.map(({ kind, name }) => `${kind} ${name}`));
  return {
    entities: completed,
    extra: listing.bindings.filter((one) => !declared.has(one) && ours.has(`${one.kind} ${one.destination}`)),
  };
}

type ListedBinding = BrokerListing['bindings'][number];

function keyOf({ kind, source, destination, routingKey }: BindingRecord): string {
  return JSON.stringify([kind, source, destination, routingKey]);
}

function completeEntity(entity: PlannedEntity, listing: BrokerListing): PlannedEntity {
  const onBroker = (entity.kind === 'exchange' ? listing.exchanges : listing.queues).get(entity.name);
  // Made or deleted in between: what the declare found stands.
  if (!onBroker || entity.state === 'missing') return entity;
  const told = { ...entity, onBroker, policy: onBroker.policy };
  if (entity.state === 'unknown') return told;
  const declared = entity.declared as ExchangeRecord | QueueRecord;
  const known = new Set(entity.differences.map(({ argument }) => argument));
  const differences = [
    ...entity.differences,
    ...differencesOf(declared, onBroker).filter(({ argument }) => !known.has(argument)),
  ];
  if (entity.state === 'equal') return { ...told, differences };
  // What the listing shows equal, the refusal was over all the same: it says more than we can read.
  return differences.length === 0 ? told : { ...told, differences, isComplete: true, error: undefined };
}

function differencesOf(declared: ExchangeRecord | QueueRecord, onBroker: EntityOnBroker): Difference[] {
  const differences: Difference[] = [];
  const properties: Readonly<Record<string, FieldValue>> = { ...declared, arguments: undefined };
  // A queue that the broker named is another one's in each life: it was not declared as it is.
  const isServerNamed = 'isServerNamed' in declared && declared.isServerNamed;
  for (const name of ['type', 'durable', 'autoDelete', 'internal', 'exclusive'] as const) {
    const value = properties[name];
    const other = onBroker[name];
    if (value === undefined || other === undefined || value === other || isServerNamed) continue;
    differences.push({ argument: name, declared: value, onBroker: other });
  }
  const table = declared.arguments;
  for (const name of new Set([...Object.keys(table), ...Object.keys(onBroker.arguments)])) {
    const value = own(table, name);
    const other = own(onBroker.arguments, name);
    // The broker's own default, written down by RabbitMQ 4.
    if (name === 'x-queue-type' && value === undefined) continue;
    if (isAsListed(value, other)) continue;
    differences.push({ argument: name, declared: value, onBroker: other });
  }
  return differences;
}

function own<Value>(table: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

// --- values ---------------------------------------------------------------------------------------

/** Whether RabbitMQ would write the value so in its JSON. */
export function isAsListed(value: FieldValue, listed: unknown): boolean {
  if (value === undefined) return listed === undefined;
  // As it writes an Erlang atom.
  if (value === null) return listed === 'undefined' || listed === null;
  if (typeof value === 'string' || typeof value === 'boolean') return value === listed;
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value) === listed;
  if (value instanceof Date) return Math.floor(value.getTime() / 1_000) === listed;
  if (value instanceof TypedField) return typedNumber(value) === listed;
  if (value instanceof Uint8Array) return textOf(value) === listed;
  if (Array.isArray(value)) {
    const values = value as readonly FieldValue[];
    const list: unknown = listed;
    // A hole in a list is a null on the wire.
    return (
      Array.isArray(list) &&
      list.length === values.length &&
      values.every((one, index) => isAsListed(one ?? null, list[index]))
    );
  }
  // Arguments that are an empty table are `[]` in the JSON of older versions.
  if (Array.isArray(listed)) return listed.length === 0 && definedNames(value as FieldTable).length === 0;
  if (typeof listed !== 'object' || listed === null) return false;
  const table = value as FieldTable;
  const other = listed as DefinitionsArguments;
  const names = definedNames(table);
  return names.length === Object.keys(other).length && names.every((name) => isAsListed(table[name], own(other, name)));
}

function definedNames(table: Readonly<FieldTable>): string[] {
  return Object.keys(table).filter((name) => table[name] !== undefined);
}

function typedNumber({ type, value, scale }: TypedField): number {
  if (type === 'float') return Math.fround(Number(value));
  // RabbitMQ writes scale and value with a point between them.
  if (type === 'decimal') return Number(`${String(scale)}.${String(value)}`);
  return Number(value);
}

function textOf(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes);
  const text = buffer.toString('utf8');
  return Buffer.from(text).equals(buffer) ? text : `Not UTF-8, base64 is: ${buffer.toString('base64')}`;
}
