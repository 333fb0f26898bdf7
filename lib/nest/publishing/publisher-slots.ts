/** The transient providers behind `@InjectPublisher`: publisher number n of whichever class asks. */
import { Scope, type FactoryProvider } from '@nestjs/common';
import { INQUIRER, ModulesContainer } from '@nestjs/core';
import { publisherSlot, publisherSlots, type PublisherOptions } from '../decorators/inject-publisher.decorator.js';
import { publishersKey } from '../decorators/metadata.js';
import { ConfigurationError } from '../errors.js';
import { PublisherFactory } from './publisher-factory.js';
import type { Publisher } from './publisher.js';

function publisherOf(
  host: object | undefined,
  slot: number,
  factory: PublisherFactory,
  modules: ModulesContainer,
): Publisher {
  const owner = host?.constructor;
  const known = owner && (Reflect.getMetadata(publishersKey, owner) as PublisherOptions[] | undefined);
  const options = known?.[slot];
  if (owner && options) return factory.create(options, owner.name);
  refuseTransientHosts(modules);
  throw new ConfigurationError(
    owner?.name ?? '@InjectPublisher',
    'a publisher can only be injected into the class that asks for it with @InjectPublisher',
  );
}

export const publisherProviders: readonly FactoryProvider<Publisher>[] = Array.from(
  { length: publisherSlots },
  (_, slot) => ({
    provide: publisherSlot(slot),
    scope: Scope.TRANSIENT,
    inject: [INQUIRER, PublisherFactory, ModulesContainer],
    useFactory: (host: object | undefined, factory: PublisherFactory, modules: ModulesContainer) =>
      publisherOf(host, slot, factory, modules),
  }),
);

/**
 * Throws ConfigurationError for a transient class that injects a publisher: Nest names the class that uses it as the
 * inquirer, and it would be given the publisher of that one.
 */
export function refuseTransientHosts(modules: ModulesContainer): void {
  for (const module of modules.values()) {
    for (const { metatype, isTransient } of [...module.providers.values(), ...module.injectables.values()]) {
      if (!isTransient || typeof metatype !== 'function' || !Reflect.hasMetadata(publishersKey, metatype)) continue;
      throw new ConfigurationError(
        metatype.name,
        '@InjectPublisher: the class is transient, where Nest cannot tell who asks; inject PublisherFactory instead',
      );
    }
  }
}
