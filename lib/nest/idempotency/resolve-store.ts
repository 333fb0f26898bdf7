/** From what options say of a store to the store. */
import type { InjectionToken } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';
import { ConfigurationError, describeError } from '../errors.js';
import type { IdempotencyStore } from './idempotency-store.js';

export function isStore(value: unknown): value is IdempotencyStore {
  return typeof value === 'object' && value !== null && typeof (value as IdempotencyStore).protect === 'function';
}

/** Throws ConfigurationError where there is nothing under the token, or no store. */
export function resolveStore(
  given: IdempotencyStore | InjectionToken,
  modules: ModuleRef,
  where: string,
): IdempotencyStore {
  if (isStore(given)) return given;
  let found: unknown;
  try {
    found = modules.get<unknown>(given, { strict: false });
  } catch (error) {
    throw new ConfigurationError(where, `@Idempotent: ${describeError(error).message}`, { cause: error });
  }
  if (isStore(found)) return found;
  throw new ConfigurationError(
    where,
    '@Idempotent: what its option "store" names is no store: it has no method "protect"',
  );
}
