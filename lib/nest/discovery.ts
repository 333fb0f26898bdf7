/** Finds the methods that decorators marked, on the providers and controllers of an application. Knows no decorator. */
import type { DiscoveryService, MetadataScanner } from '@nestjs/core';
import type { InstanceWrapper } from '@nestjs/core/injector/instance-wrapper.js';

/** A method of a provider or controller. */
export interface DiscoveredMethod {
  readonly wrapper: InstanceWrapper;
  /** Of the instance, or of the class where there is no instance yet. */
  readonly prototype: object;
  readonly method: string;
  /** What the decorators of the method wrote their metadata on. */
  readonly handler: (...values: never[]) => unknown;
  /** `Class.method`. */
  readonly name: string;
}

/** Every method of every instance, once: an alias, or a value provided under two tokens, is not another. */
export function* discoverMethods(
  discovery: DiscoveryService,
  scanner: MetadataScanner,
): Generator<DiscoveredMethod, void, undefined> {
  const seen = new Set<unknown>();
  for (const wrapper of [...discovery.getProviders(), ...discovery.getControllers()]) {
    const instance = instanceOf(wrapper);
    if (wrapper.isAlias || instance === undefined || seen.has(instance)) continue;
    seen.add(instance);
    const prototype = prototypeOf(wrapper);
    if (!prototype) continue;
    for (const method of scanner.getAllMethodNames(prototype)) {
      const handler: unknown = Reflect.get(prototype, method);
      if (typeof handler !== 'function') continue;
      yield {
        wrapper,
        prototype,
        method,
        handler: handler as DiscoveredMethod['handler'],
        name: `${prototype.constructor.name}.${method}`,
      };
    }
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
