/** What `@Idempotent` puts on its method. */
import { Inject, Injectable, Optional } from '@nestjs/common';
import type { CallHandler, ExecutionContext, NestInterceptor, OnModuleInit } from '@nestjs/common';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { AmqpContext } from '../consuming/amqp-context.js';
import { ConfigurationError } from '../errors.js';

/** The token of IdempotencyService, which imports what decorates methods. */
export const idempotencyToken = Symbol.for('leveret:idempotency');

/** What runs a handler under its key. */
export interface Protection {
  run(host: ExecutionContext, context: AmqpContext, payload: unknown, work: () => Promise<unknown>): Promise<unknown>;
}

@Injectable()
export class IdempotencyInterceptor implements NestInterceptor, OnModuleInit {
  readonly #protection: Protection | undefined;

  constructor(@Optional() @Inject(idempotencyToken) protection: Protection | undefined) {
    this.#protection = protection;
  }

  onModuleInit(): void {
    this.#required();
  }

  intercept(host: ExecutionContext, next: CallHandler): Observable<unknown> {
    const context: unknown = host.getType() === 'rpc' ? host.switchToRpc().getContext() : undefined;
    if (!isAmqpContext(context)) {
      const where = `${host.getClass().name}.${host.getHandler().name}`;
      throw new ConfigurationError(where, '@Idempotent: it was called with something else than a delivery of ours');
    }
    const payload: unknown = host.switchToRpc().getData();
    const work = (): Promise<unknown> => lastValueFrom(next.handle(), { defaultValue: undefined });
    return from(this.#required().run(host, context, payload, work));
  }

  #required(): Protection {
    if (this.#protection) return this.#protection;
    throw new ConfigurationError(
      '@Idempotent',
      'there is no IdempotencyModule: import IdempotencyModule.forRoot({ store })',
    );
  }
}

/** Also one of another copy of the package. */
function isAmqpContext(context: unknown): context is AmqpContext {
  return (
    context instanceof AmqpContext ||
    (typeof context === 'object' && context !== null && 'getProperties' in context && 'settlement' in context)
  );
}
