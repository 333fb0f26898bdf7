/**
 * `@InjectPublisher`: a Publisher of its own for a constructor parameter or property.
 *
 * How it finds its publisher without a registry that applications would share: the decorator writes its options as
 * metadata on the class and injects "publisher number n of whoever asks". The module provides these numbers as
 * transient providers, which Nest makes for each class that injects one, handing them that class (INQUIRER).
 */
import { Inject } from '@nestjs/common';
import { ConfigurationError } from '../errors.js';
import { faultsOf, isBoolean, isFilledName, isMilliseconds, isName } from '../option-checks.js';
import { publishersKey } from './metadata.js';

export interface PublisherOptions {
  /** The exchange. Default `''`: the default exchange, where the routing key is the name of a queue. */
  exchange?: string | undefined;
  /** Name of the connection. Default `default`. */
  connection?: string | undefined;
  /** A message that no queue takes rejects with UnroutableError. Default: true for the default exchange, else false. */
  mandatory?: boolean | undefined;
  /** Survives a restart of the broker in a durable queue. Default true. */
  persistent?: boolean | undefined;
  /** Milliseconds from `publish` to its outcome. Default: without limit of its own. */
  timeout?: number | undefined;
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
