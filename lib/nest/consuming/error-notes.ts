/**
 * What became of a handler of the transport before Nest's own filter had it: that filter makes "Internal server error" of
 * every error that is no RpcException, and a policy by error class would never see the class. `@Ack` and `@Idempotent` put this
 * interceptor on their method, and AmqpServer reads the note off the context that it gave the handler.
 */
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { tap, type Observable } from 'rxjs';

/** A registered symbol: `@Ack` may come from another copy of the package than AmqpServer. */
const noteKey = Symbol.for('leveret:error-note');

/** An interceptor was reached, and what came of it. */
export interface ErrorNote {
  error?: unknown;
}

interface NotedContext {
  [noteKey]?: ErrorNote;
}

/** Undefined where the handler has no `@Ack`, or a guard let nobody through to it. */
export function noteOf(context: object): ErrorNote | undefined {
  return (context as NotedContext)[noteKey];
}

export const errorNotes: NestInterceptor = {
  intercept(host: ExecutionContext, next: CallHandler): Observable<unknown> {
    const context: unknown = host.getType() === 'rpc' ? host.switchToRpc().getContext() : undefined;
    if (typeof context !== 'object' || context === null) return next.handle();
    // Where it stands twice, the outer one has the last word: between the two is `@Idempotent`.
    const note = ((context as NotedContext)[noteKey] ??= {});
    return next.handle().pipe(
      tap({
        error: (error: unknown) => {
          note.error = error;
        },
      }),
    );
  },
};
