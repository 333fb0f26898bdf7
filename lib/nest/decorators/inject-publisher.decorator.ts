/**
 * `@InjectPublisher`: a Publisher of its own for a constructor parameter or property.
 *
 * How it finds its publisher without a registry that applications would share: the decorator writes its options as
 * metadata on the class and injects "publisher number n of whoever asks". The module provides these numbers as
 * transient providers, which Nest makes for each class that injects one, handing them that class (INQUIRER).
 */
import { Inject } from '@nestjs/common';
import { ConfigurationError } from '../errors.js';
import type { FieldTable } from '../../amqp/index.js';
import { writingFormatChecks, type WritingFormatOptions } from '../formats/format-options.js';
import { faultsOf, isBoolean, isFilledName, isMilliseconds, isName, isTable, isWhole } from '../option-checks.js';
import { publishersKey } from './metadata.js';

/** What holds for all messages of a publisher that do not say otherwise. */
export interface MessageDefaults extends WritingFormatOptions {
  /** Those of a message are added. */
  headers?: FieldTable | undefined;
  /** A message that no queue takes rejects with UnroutableError. Default: true for the default exchange, else false. */
  mandatory?: boolean | undefined;
  /** Survives a restart of the broker in a durable queue. Default true. */
  persistent?: boolean | undefined;
  /** Milliseconds from `publish` to its outcome. Default: without limit of its own. */
  timeout?: number | undefined;
  /** Milliseconds after which a message is dropped or dead-lettered. Default: never. */
  expiration?: number | undefined;
  /** 0 to 255, for queues with `x-max-priority`. */
  priority?: number | undefined;
  type?: string | undefined;
  appId?: string | undefined;
}

export interface PublisherOptions extends MessageDefaults {
  /** The exchange. Default `''`: the default exchange, where the routing key is the name of a queue. */
  exchange?: string | undefined;
  /** Name of the connection. Default `default`. */
  connection?: string | undefined;
}

/** Publishers that one class may inject. */
export const publisherSlots = 32;

/** The injection token of a class's publisher number `slot`. */
export function publisherSlot(slot: number): symbol {
  return Symbol.for(`leveret:publisher:${String(slot)}`);
}

export function publisherFaults(options: unknown): string[] {
  return faultsOf(options, {
    exchange: isName,
    connection: isFilledName,
    mandatory: isBoolean,
    persistent: isBoolean,
    timeout: isMilliseconds,
    headers: isTable,
    expiration: isMilliseconds,
    priority: isWhole(0, 255),
    type: isName,
    appId: isName,
    ...writingFormatChecks,
  });
}

/**
 * Injects a Publisher for an exchange. Declares nothing. Throws ConfigurationError for options that are unknown or
 * wrong; a connection that does not exist ends the start with UnknownConnectionError, a transient class that asks with
 * ConfigurationError: it injects PublisherFactory instead.
 */
export function InjectPublisher(options: PublisherOptions = {}): ParameterDecorator & PropertyDecorator {
  const decorate = (target: object, property: string | symbol | undefined, index?: number): void => {
    const owner = typeof target === 'function' ? target : target.constructor;
    const place = property === undefined ? `constructor parameter ${String(index)}` : String(property);
    const where = `${owner.name} (${place})`;
    const faults = publisherFaults(options);
    const known = (Reflect.getMetadata(publishersKey, owner) as PublisherOptions[] | undefined) ?? [];
    if (known.length >= publisherSlots) faults.push(`a class may inject ${String(publisherSlots)} publishers`);
    if (property !== undefined && typeof index === 'number') faults.push('it belongs to a constructor or property');
    if (faults.length > 0) throw new ConfigurationError(where, `@InjectPublisher: ${faults.join('; ')}`);
    Reflect.defineMetadata(publishersKey, [...known, options], owner);
    const inject = Inject(publisherSlot(known.length));
    if (property !== undefined) inject(target, property);
    else if (index !== undefined) inject(target, undefined, index);
  };
  return decorate;
}
