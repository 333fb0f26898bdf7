/** Parameters of a handler beside `@Payload()` and `@Ctx()`: parts of the delivery at hand. */
import { createParamDecorator, type ExecutionContext, type PipeTransform, type Type } from '@nestjs/common';
import type { AmqpContext } from '../consuming/amqp-context.js';
import { ConfigurationError } from '../errors.js';
import type { BatchContext } from '../flow/batch-context.js';

type Pipe = Type<PipeTransform> | PipeTransform;

function part(read: (context: AmqpContext, name: string | undefined) => unknown) {
  return createParamDecorator((name: string | undefined, host: ExecutionContext) => {
    const context = host.switchToRpc().getContext<AmqpContext | BatchContext>();
    if ('contexts' in context) {
      throw new ConfigurationError(
        context.getHandler(),
        'its batches have many messages: take @Ctx() batch: BatchContext',
      );
    }
    return read(context, name);
  });
}

function own(of: object, name: string | undefined): unknown {
  if (name === undefined) return of;
  return Object.hasOwn(of, name) ? (of as Record<string, unknown>)[name] : undefined;
}

const headers = part((context, name) => own(context.getHeaders(), name));
const properties = part((context, name) => own(context.getProperties(), name));
const delivery = part((context) => context.delivery);

/** The headers of the message, or the one of that name; undefined where it has none. The pipes are run on it. */
export function Headers(name?: string, ...pipes: Pipe[]): ParameterDecorator {
  return headers(name, ...pipes);
}

/** The properties of the message (`messageId`, `timestamp`, ...), or the one of that name. The pipes are run on it. */
export function Properties(name?: string, ...pipes: Pipe[]): ParameterDecorator {
  return properties(name, ...pipes);
}

/** The delivery as the client gave it: body, properties, exchange, routing key, tag. */
export function Delivery(): ParameterDecorator {
  return delivery();
}
