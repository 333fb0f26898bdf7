/**
 * Nest runs init and bootstrap hooks from the largest `distance` of a module to the smallest, and destroy and shutdown
 * hooks the other way round. Global modules have Number.MAX_VALUE. Connections need more, to open before and close after
 * what any module does in its hooks; consumers the smallest, to start after and drain before everything else.
 */
import type { ModulesContainer } from '@nestjs/core';

/** To be called in the constructor of the module class: the order is settled when the first hook runs. */
export function setModuleDistance(modules: ModulesContainer, moduleClass: object, distance: number): void {
  for (const module of modules.values()) if (module.metatype === moduleClass) module.distance = distance;
}

export const firstToOpen = Infinity;
export const lastToStart = -1;
/** Starts just before the consumers and is drained just after them: what works for handlers, on the application's own services. */
export const afterConsumers = -0.5;
/** Ends before the consumers are drained: what would be in their way. */
export const firstToEnd = -2;
