/** Runs a handler through Nest's own machinery: guards, interceptors, pipes, filters, request scope. */
import { Inject, Injectable } from '@nestjs/common';
import { ContextIdFactory, ExternalContextCreator, type ContextId } from '@nestjs/core';
import type { BatchContext } from '../flow/batch-context.js';
import type { AmqpContext } from './amqp-context.js';
import { messageContextCreator, notingPipeErrors } from './message-context.js';
import type { HandlerDefinition } from './handler-definition.js';
import { moduleRefOf } from './handler-explorer.js';
import { parametersFactory, parametersOf } from './handler-parameters.js';

/** Resolves when the delivery was handled, which includes an observable that completed and an error that was filtered. */
export type Invoke = (payload: unknown, context: AmqpContext | BatchContext) => Promise<unknown>;

type Handler = (...values: unknown[]) => unknown;

@Injectable()
export class HandlerInvoker {
  readonly #creator: ExternalContextCreator;
  readonly #creatorWithoutGlobals: ExternalContextCreator;

  constructor(@Inject(ExternalContextCreator) creator: ExternalContextCreator) {
    this.#creator = messageContextCreator(creator, true);
    this.#creatorWithoutGlobals = messageContextCreator(creator, false);
  }

  /**
   * A function that runs the handler. `hasGlobals`: with the application's global guards, pipes, interceptors and filters.
   * `isOfBatches`: what its pipes throw is known for that.
   */
  prepare(definition: HandlerDefinition, hasGlobals: boolean, isOfBatches = false): Invoke {
    const { wrapper } = definition;
    const shared = hasGlobals ? this.#creator : this.#creatorWithoutGlobals;
    const creator = isOfBatches ? notingPipeErrors(shared) : shared;
    return wrapper.isDependencyTreeStatic()
      ? create(creator, definition, wrapper.instance as object)
      : this.#perRequest(creator, definition);
  }

  /** A handler whose class, or a dependency or enhancer of it, is request-scoped is made anew for each delivery. */
  #perRequest(creator: ExternalContextCreator, definition: HandlerDefinition): Invoke {
    const { wrapper, name } = definition;
    const moduleRef = moduleRefOf(wrapper, name);
    const isDurable = wrapper.isDependencyTreeDurable();
    return async (payload, context) => {
      const request = { data: payload, context };
      const contextId: ContextId = ContextIdFactory.getByRequest(request);
      // As Nest does for its own handlers: what outlives a request knows of it only what its strategy chose.
      const { payload: chosen } = contextId as { payload?: object };
      moduleRef.registerRequestByContextId(isDurable ? chosen : Object.assign(request, chosen), contextId);
      const instance = await moduleRef.resolve<object>(wrapper.token as string, contextId, { strict: true });
      return create(creator, definition, instance, contextId, wrapper.id)(payload, context);
    };
  }
}

function create(
  creator: ExternalContextCreator,
  { method }: HandlerDefinition,
  instance: object,
  contextId?: ContextId,
  inquirerId?: string,
): Invoke {
  return creator.create(
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
