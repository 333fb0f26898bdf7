/** Finds the handlers of an application: the methods with `@Consume` of its providers and controllers. */
import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner, ModuleRef } from '@nestjs/core';
import type { InstanceWrapper } from '@nestjs/core/injector/instance-wrapper.js';
import type { AckPolicy } from '../decorators/ack-policy.js';
import {
  consumeFaults,
  isConsumeFactory,
  type ConsumeFactory,
  type ConsumeOptions,
} from '../decorators/consume-options.js';
import { ackKey, consumeKey, settlementParameterKey } from '../decorators/metadata.js';
import { ConfigurationError } from '../errors.js';
import type { HandlerDefinition } from './handler-definition.js';

@Injectable()
export class HandlerExplorer {
  readonly #discovery: DiscoveryService;
  readonly #scanner: MetadataScanner;

  constructor(
    @Inject(DiscoveryService) discovery: DiscoveryService,
    @Inject(MetadataScanner) scanner: MetadataScanner,
  ) {
    this.#discovery = discovery;
    this.#scanner = scanner;
  }

  /** Throws ConfigurationError for options that a factory made wrong. */
  async explore(): Promise<HandlerDefinition[]> {
    const definitions: HandlerDefinition[] = [];
    const seen = new Set<unknown>();
    for (const wrapper of [...this.#discovery.getProviders(), ...this.#discovery.getControllers()]) {
      // An alias, or a value provided under two tokens, is one handler.
      const instance = instanceOf(wrapper);
      if (wrapper.isAlias || instance === undefined || seen.has(instance)) continue;
      seen.add(instance);
      definitions.push(...(await this.#exploreWrapper(wrapper)));
    }
    return definitions;
  }

  async #exploreWrapper(wrapper: InstanceWrapper): Promise<HandlerDefinition[]> {
    const prototype = prototypeOf(wrapper);
    if (!prototype) return [];
    const definitions: HandlerDefinition[] = [];
    for (const method of this.#scanner.getAllMethodNames(prototype)) {
      const handler: unknown = Reflect.get(prototype, method);
      if (typeof handler !== 'function') continue;
      const consumed = Reflect.getOwnMetadata(consumeKey, handler) as (ConsumeOptions | ConsumeFactory)[] | undefined;
      if (!consumed) continue;
      const name = `${prototype.constructor.name}.${method}`;
      for (const given of consumed) {
        definitions.push({
          name,
          wrapper,
          method,
          options: isConsumeFactory(given) ? await makeOptions(given, wrapper, name) : given,
          ack: (Reflect.getOwnMetadata(ackKey, handler) as AckPolicy | undefined) ?? {},
          isByHand: Reflect.getMetadata(settlementParameterKey, prototype, method) === true,
        });
      }
    }
    return definitions;
  }
}

function instanceOf(wrapper: InstanceWrapper): object | undefined {
  // Request-scoped classes have no instance yet, but a prototype of one.
  const instance: unknown = wrapper.instance;
  if (typeof instance === 'object' && instance !== null) return instance;
  return typeof wrapper.metatype === 'function' && !wrapper.isNotMetatype ? wrapper.metatype : undefined;
}

function prototypeOf(wrapper: InstanceWrapper): object | undefined {
  const instance: unknown = wrapper.instance;
  if (typeof instance === 'object' && instance !== null) return Object.getPrototypeOf(instance) as object | undefined;
  if (wrapper.isNotMetatype || typeof wrapper.metatype !== 'function') return undefined;
  return wrapper.metatype.prototype as object | undefined;
}

async function makeOptions(factory: ConsumeFactory, wrapper: InstanceWrapper, name: string): Promise<ConsumeOptions> {
  const moduleRef = moduleRefOf(wrapper, name);
  const dependencies = (factory.inject ?? []).map((dependency) => {
    const isOptional = typeof dependency === 'object' && 'optional' in dependency && dependency.optional;
    const token = typeof dependency === 'object' && 'token' in dependency ? dependency.token : dependency;
    try {
      return moduleRef.get<unknown>(token as string, { strict: false });
    } catch (error) {
      if (isOptional) return undefined;
      throw new ConfigurationError(name, `@Consume: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  });
  const made: unknown = await factory.useFactory(...(dependencies as never[]));
  const options: unknown = typeof made === 'string' ? { queue: made } : made;
  const faults = consumeFaults(options);
  if (faults.length > 0) throw new ConfigurationError(name, `@Consume: ${faults.join('; ')}`);
  return options as ConsumeOptions;
}

/** The ModuleRef of the module that holds a handler. */
export function moduleRefOf(wrapper: InstanceWrapper, name: string): ModuleRef {
  const moduleRef: unknown = wrapper.host?.providers.get(ModuleRef)?.instance;
  if (!(moduleRef instanceof ModuleRef)) throw new ConfigurationError(name, 'its module was not found');
  return moduleRef;
}
