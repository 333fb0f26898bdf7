/**
 * Nest's external contexts, put right for message handlers:
 *
 * - A filter that returns has handled the error, one that throws, rejects or returns a failing observable has not. (Nest's own
 *   take a filter that returns nothing for one that is not there, log the error and throw it on.)
 * - An observable that completes without a value is no failure.
 * - What a guard refuses is known for that.
 * - A controller's enhancers given as classes are found.
 * - The application's global enhancers may be left out.
 * - What a pipe threw may be known for that.
 */
import { ForbiddenException, type ArgumentsHost, type ContextType } from '@nestjs/common';
import type { GuardsConsumer } from '@nestjs/core/guards/guards-consumer.js';
import type { PipesConsumer } from '@nestjs/core/pipes/pipes-consumer.js';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import type { ExternalContextCreator } from '@nestjs/core';
import { isObservable, lastValueFrom } from 'rxjs';
import { tamed } from '../errors.js';
import { errorNotes } from './error-notes.js';
import { notePipeError, noteRefusal } from './policy.js';

/** As Nest says it. */
const refusal = 'Forbidden resource';

interface Filter {
  readonly func: (exception: unknown, host: ArgumentsHost) => unknown;
  readonly exceptionMetatypes: readonly (abstract new (...values: never[]) => unknown)[];
}

type HandlerClass = abstract new (...values: never[]) => unknown;

/** What is needed of Nest's modules. */
interface HostModule {
  readonly controllers: ReadonlyMap<unknown, unknown>;
  hasProvider(token: unknown): boolean;
}

type Target = (...values: unknown[]) => Promise<unknown>;

/** Resolves when an observable completed, with its last value if it had one. */
function settled(result: unknown): unknown {
  return isObservable(result) ? lastValueFrom(result, { defaultValue: undefined }) : result;
}

async function applyFilters(filters: readonly Filter[], error: unknown, host: ArgumentsHost): Promise<unknown> {
  const filter = filters.find(
    ({ exceptionMetatypes }) =>
      exceptionMetatypes.length === 0 || exceptionMetatypes.some((type) => error instanceof type),
  );
  if (!filter) throw error;
  try {
    return await settled(await filter.func(error, host));
  } catch (thrown) {
    // RPC filters turn errors into plain objects for a caller on the wire: the policy goes by the error itself.
    throw thrown instanceof Error ? thrown : error;
  }
}

/** What one of Nest's creators for guards, pipes, interceptors or filters is asked here. */
interface EnhancersCreator {
  create(...values: unknown[]): unknown[];
  getGlobalMetadata(...values: unknown[]): unknown[];
}

/** What is needed of Nest's creator of external contexts, beside what is public of it. */
interface ContextCreatorParts {
  readonly modulesContainer: ReadonlyMap<string, HostModule>;
  readonly guardsConsumer: GuardsConsumer;
  readonly guardsContextCreator: EnhancersCreator;
  readonly pipesContextCreator: EnhancersCreator;
  readonly pipesConsumer: PipesConsumer;
  readonly interceptorsContextCreator: EnhancersCreator;
  readonly filtersContextCreator: EnhancersCreator;
}

function withoutGlobals(creator: EnhancersCreator): EnhancersCreator {
  return Object.create(creator, { getGlobalMetadata: { value: () => [] } }) as EnhancersCreator;
}

/** The notes of `@Ack` are for handlers of the transport: here errors are seen as they are. */
function withoutNotes(creator: EnhancersCreator): EnhancersCreator {
  const create = (...values: unknown[]): unknown[] =>
    creator.create(...values).filter((interceptor) => interceptor !== errorNotes);
  return Object.create(creator, { create: { value: create } }) as EnhancersCreator;
}

/** The creator of external contexts with the contract of message handlers. */
export function messageContextCreator(creator: ExternalContextCreator, hasGlobals: boolean): ExternalContextCreator {
  const parts = creator as unknown as ContextCreatorParts;
  const { modulesContainer: modules, guardsConsumer: guards } = parts;
  const enhancers = hasGlobals ? (one: EnhancersCreator): EnhancersCreator => one : withoutGlobals;
  return Object.create(creator, {
    guardsContextCreator: { value: enhancers(parts.guardsContextCreator) },
    pipesContextCreator: { value: enhancers(parts.pipesContextCreator) },
    interceptorsContextCreator: { value: withoutNotes(enhancers(parts.interceptorsContextCreator)) },
    filtersContextCreator: { value: enhancers(parts.filtersContextCreator) },
    // Nest's own looks among the providers only: a controller's guards, pipes and filters given as classes would be
    // searched for in no module, and silently left out.
    getContextModuleKey: {
      value: (host: HandlerClass | undefined): string => {
        if (!host) return '';
        for (const [key, module] of modules) {
          if (module.hasProvider(host) || module.controllers.has(host)) return key;
        }
        return '';
      },
    },
    guardsConsumer: {
      value: {
        tryActivate: async (...values: Parameters<GuardsConsumer['tryActivate']>): Promise<boolean> => {
          try {
            const isActive = await guards.tryActivate(...values);
            if (!isActive) throw new ForbiddenException(refusal);
            return true;
          } catch (error) {
            noteRefusal(error);
            throw error;
          }
        },
      },
    },
    transformToResult: { value: async (result: unknown) => await settled(result) },
    externalErrorProxy: {
      value: {
        createProxy:
          (target: Target, handler: { filters?: readonly Filter[] }, type?: ContextType): Target =>
          async (...values) => {
            try {
              return await target(...values);
            } catch (error) {
              const host = new ExecutionContextHost(values);
              host.setType(type ?? 'rpc');
              return applyFilters(handler.filters ?? [], tamed(error), host);
            }
          },
      },
    },
  }) as ExternalContextCreator;
}

/** The same, which notes what pipes throw: it costs a promise for each parameter, and only batches ask. */
export function notingPipeErrors(creator: ExternalContextCreator): ExternalContextCreator {
  const { pipesConsumer: pipes } = creator as unknown as ContextCreatorParts;
  const apply = async (...values: Parameters<PipesConsumer['apply']>): Promise<unknown> => {
    try {
      return await pipes.apply(...values);
    } catch (error) {
      notePipeError(error);
      throw error;
    }
  };
  return Object.create(creator, { pipesConsumer: { value: { apply } } }) as ExternalContextCreator;
}
