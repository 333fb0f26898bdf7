/** `@Ack`: on a method how its deliveries are settled, on a parameter the handle to settle one by hand. */
import { createParamDecorator, UseInterceptors, type ExecutionContext } from '@nestjs/common';
import { errorNotes } from '../consuming/error-notes.js';
import { ConfigurationError } from '../errors.js';
import { ackPolicyFaults, type AckPolicy } from './ack-policy.js';
import { ackKey, handlerName, settlementParameterKey, tellTransport } from './metadata.js';

const settlementParameter = createParamDecorator(
  (_data: undefined, host: ExecutionContext) => host.switchToRpc().getContext<{ settlement?: unknown }>().settlement,
);

/**
 * On a method with `@Consume`, `@EventPattern` or `@MessagePattern`: its settlement policy; see AckPolicy. What it leaves out
 * is taken from the module's `defaults.ack` (AmqpServer: its option `ack`), then from `{ when: 'after', then: 'park' }`. Who
 * asked (`@MessagePattern`, a message with reply-to) is sent the error, and then the message is acknowledged, unless the
 * handler's own `then` or `errors` say what else becomes of it.
 *
 * On a parameter, without a policy: the delivery's Settlement. Such a handler settles by hand (`when: 'manual'`) unless
 * its `@Ack` policy says otherwise.
 *
 * Throws ConfigurationError for a policy that is wrong, or given to a parameter.
 */
export function Ack(policy?: AckPolicy): MethodDecorator & ParameterDecorator {
  const decorate = (target: object, method: string | symbol | undefined, place: unknown): void => {
    const where = handlerName(target, method ?? 'constructor');
    if (typeof place === 'number') {
      if (policy !== undefined) throw new ConfigurationError(where, '@Ack on a parameter takes no policy');
      if (method === undefined) throw new ConfigurationError(where, '@Ack belongs to a handler');
      settlementParameter()(target, method, place);
      Reflect.defineMetadata(settlementParameterKey, true, target, method);
      const decorated = (target as Record<string | symbol, unknown>)[method];
      if (typeof decorated === 'function') tellTransport(decorated, settlementParameterKey, true);
      return;
    }
    const handler = (place as PropertyDescriptor | undefined)?.value as unknown;
    if (typeof handler !== 'function') throw new ConfigurationError(where, '@Ack belongs on a method');
    const faults = ackPolicyFaults(policy ?? {});
    if (Reflect.hasOwnMetadata(ackKey, handler)) faults.push('there is another @Ack on the method');
    if (faults.length > 0) throw new ConfigurationError(where, `@Ack: ${faults.join('; ')}`);
    Reflect.defineMetadata(ackKey, policy ?? {}, handler);
    tellTransport(handler, ackKey, policy ?? {});
    if (method !== undefined) UseInterceptors(errorNotes)(target, method, place as PropertyDescriptor);
  };
  return decorate;
}
