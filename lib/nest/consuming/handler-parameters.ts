/** Which parameters a handler takes: Nest's own decorators, and the payload first where it has none. */
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';

/** RpcParamtype of @nestjs/microservices. */
const payloadType = 3;
const contextType = 6;

const parametersKey = 'leveret:parameters';

interface ParameterMetadata {
  readonly index: number;
}

/**
 * Writes the parameters of a handler beside those that its decorators wrote, and answers under which key: without any
 * metadata Nest would hand a handler its arguments as they are, past the pipes.
 */
export function parametersOf(prototype: object, method: string): string {
  const owner = prototype.constructor;
  const given = Reflect.getMetadata(ROUTE_ARGS_METADATA, owner, method) as
    Record<string, ParameterMetadata> | undefined;
  const parameters = { ...given };
  if (!Object.values(parameters).some(({ index }) => index === 0)) {
    parameters[`${String(payloadType)}:0`] = { index: 0, data: undefined, pipes: [] } as ParameterMetadata;
  }
  Reflect.defineMetadata(parametersKey, parameters, owner, method);
  return parametersKey;
}

/** Gives the values for `@Payload()`, `@Payload('property')` and `@Ctx()`. */
export const parametersFactory = {
  exchangeKeyForValue(type: number, data: unknown, values: readonly unknown[]): unknown {
    const [payload, context] = values;
    if (type === contextType) return context;
    if (type !== payloadType) return null;
    if (typeof data !== 'string' || data === '') return payload;
    if (typeof payload !== 'object' || payload === null) return undefined;
    return Object.hasOwn(payload, data) ? (payload as Record<string, unknown>)[data] : undefined;
  },
};
