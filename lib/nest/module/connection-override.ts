/** A way for a test to lead the connections of an application to another broker, before the first of them is opened. */
import type { ModulesContainer } from '@nestjs/core';

/** A registered symbol: two copies of the package in one process must know each other. */
export const overrideKey = Symbol.for('leveret:connection-override');

/** A provider that is asked before connections are opened, in whichever module it is. */
export interface ConnectionOverride {
  [overrideKey](): void;
}

/** Asks all that there are. */
export function applyOverrides(modules: ModulesContainer): void {
  for (const { providers } of modules.values()) {
    for (const { instance } of providers.values()) if (isOverride(instance)) instance[overrideKey]();
  }
}

function isOverride(instance: unknown): instance is ConnectionOverride {
  return typeof instance === 'object' && instance !== null && overrideKey in instance;
}
