/** `@OnRecovery`: makes a method of a provider or controller hear of outages. Only writes metadata. */
import { ConfigurationError } from '../errors.js';
import { faultsOf, isFilledName, isOneOf } from '../option-checks.js';
import { recoveryEventNames, type RecoveryEventName, type RecoveryEvents } from '../recovery/recovery-events.js';
import { handlerName, recoveryHooksKey } from './metadata.js';

export interface OnRecoveryOptions {
  /** Name of the connection. Default: every connection of the application; the event names its own. */
  connection?: string | undefined;
}

/** What the decorator leaves on the method. */
export interface RecoveryHook {
  readonly event: RecoveryEventName;
  readonly connection: string | undefined;
}

/** A decorator for methods that take what they are given. */
type MethodDecoratorFor<Method> = <Decorated extends Method>(
  target: object,
  method: string | symbol,
  descriptor: TypedPropertyDescriptor<Decorated>,
) => void;

/**
 * Calls this method at every event of the name, with the event:
 *
 *     @OnRecovery('recovered')
 *     onRecovered({ connection, duration, broken }: RecoveryEvents['recovered']) {}
 *
 * Several on one method hear several events; subclasses inherit it with the method. From the first connection on nothing
 * is missed, also while the application still starts. What the method throws, or rejects with, is logged with class and
 * method, and harms nothing; nobody waits for it.
 *
 * Throws ConfigurationError, naming class and method, for an event or option that is unknown or wrong. A connection that
 * is not there ends the start with UnknownConnectionError; a class that is request-scoped or transient, of which there is
 * no one instance to call, with ConfigurationError.
 */
export function OnRecovery<Name extends RecoveryEventName>(
  event: Name,
  options: OnRecoveryOptions = {},
): MethodDecoratorFor<(event: RecoveryEvents[Name]) => unknown> {
  return (target, method, descriptor) => {
    const where = handlerName(target, method);
    const handler: unknown = (descriptor as PropertyDescriptor | undefined)?.value;
    if (typeof target === 'function' || typeof handler !== 'function' || typeof method !== 'string') {
      throw new ConfigurationError(where, '@OnRecovery belongs on a named method of instances');
    }
    const faults = faultsOf(options, { connection: isFilledName });
    const problem = isOneOf(...recoveryEventNames)(event);
    if (problem !== undefined) faults.unshift(`the event ${problem}`);
    if (faults.length > 0) throw new ConfigurationError(where, `@OnRecovery: ${faults.join('; ')}`);
    const hook: RecoveryHook = { event, connection: options.connection };
    const others = (Reflect.getOwnMetadata(recoveryHooksKey, handler) as RecoveryHook[] | undefined) ?? [];
    // Decorators run from the last to the first; the list is in the order of the text.
    Reflect.defineMetadata(recoveryHooksKey, [hook, ...others], handler);
  };
}
