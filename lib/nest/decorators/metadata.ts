/**
 * The metadata that decorators write and explorers read. Keys are registered symbols: two copies of the package in one
 * process (ES modules and CommonJS) must understand each other.
 */
import 'reflect-metadata';

export const consumeKey = Symbol.for('leveret:consume');
export const ackKey = Symbol.for('leveret:ack');
export const settlementParameterKey = Symbol.for('leveret:settlement-parameter');
export const idempotentKey = Symbol.for('leveret:idempotent');
export const publishersKey = Symbol.for('leveret:publishers');
export const recoveryHooksKey = Symbol.for('leveret:recovery-hooks');

/** Nest's own: what it hands to a transport's `addHandler` beside the pattern. */
const patternExtrasKey = 'microservices:pattern_extras';

/** Whether Nest hands the method to transports: `@EventPattern`, `@MessagePattern`. */
export function isTransportHandler(handler: object): boolean {
  return Reflect.hasMetadata('microservices:pattern', handler);
}

/** Lets AmqpServer see something of a handler of `@MessagePattern` or `@EventPattern`, whichever decorator comes first. */
export function tellTransport(handler: object, key: symbol, value: unknown): void {
  const extras = Reflect.getMetadata(patternExtrasKey, handler) as object | undefined;
  Reflect.defineMetadata(patternExtrasKey, { ...extras, [key]: value }, handler);
}

/** `Class.method`, for errors. */
export function handlerName(target: object, method: string | symbol): string {
  const owner = typeof target === 'function' ? target : target.constructor;
  return `${owner.name}.${String(method)}`;
}
