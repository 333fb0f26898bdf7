/** Runs a handler through Nest's own machinery: guards, interceptors, pipes, filters, request scope. */
import { Inject, Injectable } from '@nestjs/common';
import { ContextIdFactory, ExternalContextCreator } from '@nestjs/core';
import type { AmqpContext } from './amqp-context.js';
import { messageContextCreator } from './exception-filters.js';
import type { HandlerDefinition } from './handler-definition.js';
import { moduleRefOf } from './handler-explorer.js';
import { parametersFactory, parametersOf } from './handler-parameters.js';

/** Resolves when the delivery was handled, which includes an observable that completed and an error that was filtered. */
export type Invoke = (payload: unknown, context: AmqpContext) => Promise<unknown>;

type Handler = (...values: unknown[]) => unknown;

@Injectable()
export class HandlerInvoker {
  readonly #creator: ExternalContextCreator;

  constructor(@Inject(ExternalContextCreator) creator: ExternalContextCreator) {
    this.#creator = messageContextCreator(creator);
  }

  /** A function that runs the handler. */
  prepare(definition: HandlerDefinition): Invoke {
    const { wrapper } = definition;
    return wrapper.isDependencyTreeStatic()
      ? this.#create(definition, wrapper.instance as object)
      : this.#perRequest(definition);
  }

  /** A handler whose class, or a dependency or enhancer of it, is request-scoped is made anew for each delivery. */
  #perRequest(definition: HandlerDefinition): Invoke {
    const { wrapper, name } = definition;
    const moduleRef = moduleRefOf(wrapper, name);
    return async (payload, context) => {
      const request = { data: payload, context };
      const contextId = ContextIdFactory.getByRequest(request);
      moduleRef.registerRequestByContextId(request, contextId);
      const instance = await moduleRef.resolve<object>(wrapper.token as string, contextId, { strict: true });
      return this.#create(definition, instance, contextId, wrapper.id)(payload, context);
    };
  }

  #create(
    { method }: HandlerDefinition,
    instance: object,
    contextId?: ReturnType<typeof ContextIdFactory.create>,
    inquirerId?: string,
  ): Invoke {
    return this.#creator.create(
      instance,
      Reflect.get(instance, method) as Handler,
      method,
      parametersOf(Object.getPrototypeOf(instance) as object, method),
      parametersFactory,
      contextId,
      inquirerId,
      { guards: true, interceptors: true, filters: true },
      'rpc',
    ) as Invoke;
  }
}
