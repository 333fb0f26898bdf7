import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

/** The header that makes a request repeatable: one whose answer got lost is sent again with the same key. */
export const IdempotencyKey = createParamDecorator((_none: unknown, host: ExecutionContext) => {
  const { headers } = host.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
  return headers['idempotency-key'];
});
