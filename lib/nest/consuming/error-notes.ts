/**
 * What became of a handler of the transport before Nest's own filter had it: that filter makes "Internal server error" of
 * every error that is no RpcException, and a policy by error class would never see the class. Two places take note of it on
 * the context that AmqpServer gave the handler, where it reads it off again:
 *
 * - an interceptor, which `@Ack` and `@Idempotent` put on their method: it sees the error before any filter, and that no guard refused it;
 * - Nest's own filter, for methods without `@Ack`: Nest lets nobody else near its errors.
 */
import type { ArgumentsHost, CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { BaseRpcExceptionFilter } from '@nestjs/microservices';
import { tap, type Observable } from 'rxjs';

/** A registered symbol: `@Ack` may come from another copy of the package than AmqpServer. */
const noteKey = Symbol.for('leveret:error-note');
const filteredKey = Symbol.for('leveret:filtered-error');
const isHeardKey = Symbol.for('leveret:filter-is-heard');

/** An interceptor was reached, and what came of it. */
export interface ErrorNote {
  error?: unknown;
}

interface NotedContext {
  [noteKey]?: ErrorNote;
  [filteredKey]?: unknown;
}

/** Undefined where the handler has no `@Ack`, or a guard let nobody through to it. */
export function noteOf(context: object): ErrorNote | undefined {
  return (context as NotedContext)[noteKey];
}

/** What the handler, or one of its enhancers, failed with, as far as anything is known of it. */
export function originalError(context: object): unknown {
  return noteOf(context)?.error ?? (context as NotedContext)[filteredKey];
}

function contextOf(host: ArgumentsHost): NotedContext | undefined {
  const context: unknown = host.getType() === 'rpc' ? host.switchToRpc().getContext() : undefined;
  return typeof context === 'object' && context !== null ? context : undefined;
}

/** From now on Nest's own filter takes note, in this process; it does what it did. Calling it again changes nothing. */
export function hearNestsFilter(): void {
  const filter = BaseRpcExceptionFilter.prototype as BaseRpcExceptionFilter & { [isHeardKey]?: true };
  if (filter[isHeardKey]) return;
  filter[isHeardKey] = true;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its `this` below
  const original = filter.catch;
  filter.catch = function (this: BaseRpcExceptionFilter, exception: unknown, host: ArgumentsHost) {
    const context = contextOf(host);
    if (context) context[filteredKey] = exception;
    return original.call(this, exception, host);
  };
}

export const errorNotes: NestInterceptor = {
  intercept(host: ExecutionContext, next: CallHandler): Observable<unknown> {
    const context = contextOf(host);
    if (!context) return next.handle();
    // Where it stands twice, the outer one has the last word: between the two is `@Idempotent`.
    const note: ErrorNote = noteOf(context) ?? {};
    context[noteKey] = note;
    return next.handle().pipe(
      tap({
        error: (error: unknown) => {
          note.error = error;
        },
      }),
    );
  },
};
