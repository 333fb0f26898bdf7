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
  type NamedConsumeOptions,
} from '../decorators/consume-options.js';
import {
  ackKey,
  consumeKey,
  idempotentKey,
  isTransportHandler,
  settlementParameterKey,
} from '../decorators/metadata.js';
import { discoverMethods } from '../discovery.js';
import { ConfigurationError, describeError } from '../errors.js';
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

  /** Throws ConfigurationError for options that a factory made wrong, and for an `@Ack` that settles nothing. */
  async explore(): Promise<HandlerDefinition[]> {
    const definitions: HandlerDefinition[] = [];
    for (const { wrapper, prototype, method, handler, name } of discoverMethods(this.#discovery, this.#scanner)) {
      const consumed = Reflect.getOwnMetadata(consumeKey, handler) as
        (ConsumeOptions | NamedConsumeOptions | ConsumeFactory)[] | undefined;
      if (!consumed && !isTransportHandler(handler)) checkUnused(handler, prototype, method, name);
      for (const given of consumed ?? []) {
        definitions.push({
          name,
          wrapper,
          method,
          options: isConsumeFactory(given) ? await makeOptions(given, wrapper, name) : given,
          ack: (Reflect.getOwnMetadata(ackKey, handler) as AckPolicy | undefined) ?? {},
          isByHand: Reflect.getMetadata(settlementParameterKey, prototype, method) === true,
          isIdempotent: Reflect.hasOwnMetadata(idempotentKey, handler),
        });
      }
    }
    return definitions;
  }
}

/** Throws ConfigurationError: whoever wrote `@Ack` there expects something of it. */
function checkUnused(handler: object, prototype: object, method: string, name: string): void {
  const isPolicy = Reflect.hasOwnMetadata(ackKey, handler);
  if (!isPolicy && Reflect.getMetadata(settlementParameterKey, prototype, method) !== true) return;
  throw new ConfigurationError(
    name,
    '@Ack has nothing to settle: there is no @Consume, @EventPattern or @MessagePattern',
  );
}

async function makeOptions(
  factory: ConsumeFactory,
  wrapper: InstanceWrapper,
  name: string,
): Promise<ConsumeOptions | NamedConsumeOptions> {
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
  let made: unknown;
  try {
    made = await factory.useFactory(...(dependencies as never[]));
  } catch (error) {
    throw new ConfigurationError(name, `@Consume: its useFactory failed: ${describeError(error).message}`, {
      cause: error,
    });
  }
  const options: unknown = typeof made === 'string' ? { queue: made } : made;
  const faults = consumeFaults(options);
  if (faults.length > 0) throw new ConfigurationError(name, `@Consume: ${faults.join('; ')}`);
  return options as ConsumeOptions | NamedConsumeOptions;
}

/** The ModuleRef of the module that holds a handler. */
export function moduleRefOf(wrapper: InstanceWrapper, name: string): ModuleRef {
  const moduleRef: unknown = wrapper.host?.providers.get(ModuleRef)?.instance;
  if (!(moduleRef instanceof ModuleRef)) throw new ConfigurationError(name, 'its module was not found');
  return moduleRef;
}
