/**
 * Runs Nest's exception filters by the contract of message handlers: a filter that returns has handled the error, one
 * that throws, rejects or returns a failing observable has not.
 *
 * Nest's own external contexts take a filter that returns nothing for one that is not there, log the error and throw it
 * on; and they take an observable that completes without a value for a failure. Both are put right here.
 */
import type { ArgumentsHost, ContextType } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import type { ExternalContextCreator } from '@nestjs/core';
import { isObservable, lastValueFrom } from 'rxjs';

interface Filter {
  readonly func: (exception: unknown, host: ArgumentsHost) => unknown;
  readonly exceptionMetatypes: readonly (abstract new (...values: never[]) => unknown)[];
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

/** The creator of external contexts with the contract of message handlers. */
export function messageContextCreator(creator: ExternalContextCreator): ExternalContextCreator {
  return Object.create(creator, {
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
              return applyFilters(handler.filters ?? [], error, host);
            }
          },
      },
    },
  }) as ExternalContextCreator;
}
