/** `@Consume`: makes a method of a provider or controller the handler of a queue. Only writes metadata. */
import { ConfigurationError } from '../errors.js';
import {
  consumeFactoryFaults,
  consumeFaults,
  isConsumeFactory,
  type ConsumeFactory,
  type ConsumeOptions,
  type NamedConsumeOptions,
} from './consume-options.js';
import { consumeKey, handlerName } from './metadata.js';

/** Nest gives global and transient enhancers to classes with this mark, as it does to controllers. */
const entryProviderKey = '__entryProvider__';

/**
 * Consumes a queue with this method: `@Consume('orders')`, `@Consume({ queue: 'orders', exchange: 'shop', routingKey:
 * 'order.*' })`, or `@Consume({ inject: [ConfigService], useFactory: (config) => ({ queue: config.get('QUEUE') }) })`.
 * Several on one method consume several queues. Subclasses inherit it with the method. `@Consume({ name: 'orders' })` takes the
 * rest, the queue too, from the module's `consumers.orders`.
 *
 * The first parameter without a decorator is the payload and passes the pipes; `@Payload()`, `@Ctx()` and `@Ack()` give
 * the rest.
 *
 * Throws ConfigurationError, naming class, method and option, for options that are unknown or wrong.
 */
export function Consume(options: string | ConsumeOptions | NamedConsumeOptions | ConsumeFactory): MethodDecorator {
  return (target, method, descriptor) => {
    const where = handlerName(target, method);
    const handler: unknown = descriptor.value;
    if (typeof target === 'function' || typeof handler !== 'function' || typeof method !== 'string') {
      throw new ConfigurationError(where, '@Consume belongs on a named method of instances');
    }
    const given: unknown = typeof options === 'string' ? { queue: options } : options;
    const faults = isConsumeFactory(given) ? consumeFactoryFaults(given) : consumeFaults(given);
    if (faults.length > 0) throw new ConfigurationError(where, `@Consume: ${faults.join('; ')}`);
    const others = (Reflect.getOwnMetadata(consumeKey, handler) as unknown[] | undefined) ?? [];
    // Decorators run from the last to the first; the list is in the order of the text.
    Reflect.defineMetadata(consumeKey, [given, ...others], handler);
    Reflect.defineMetadata(entryProviderKey, true, target.constructor);
  };
}
