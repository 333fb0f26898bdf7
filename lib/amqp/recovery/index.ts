/** The recovery layer's face. */
export { backOffDelay, isWorthRecovery, wait } from './back-off.js';
export { toDefinitions, undefinable } from './definitions-export.js';
export { fromDefinitions } from './definitions-import.js';
export type {
  BindingDefinition,
  DefinitionsArguments,
  DefinitionsValue,
  ExchangeDefinition,
  QueueDefinition,
  RabbitmqDefinitions,
  TopologyEntities,
} from './definitions.js';
export { deleteUnusedQueues } from './delete-unused.js';
export { entityExists } from './entity-exists.js';
export type { ManagementAccess } from './management.js';
export { planTopology, type PlanQuestions } from './plan.js';
export type {
  DeclaredTopology,
  Difference,
  EntityOnBroker,
  PlanFindings,
  PlannedEntity,
  PlannedState,
} from './planned-entity.js';
export { rebuildTopology, type BrokenEntity, type RebuildReport } from './rebuild.js';
export { legalMoves, RetryStates, type ConnectionState, type RetryState } from './states.js';
export { Supervisor, type SupervisorOwner } from './supervisor.js';
export {
  bindingKey,
  bindingName,
  TopologyRecord,
  type BindingRecord,
  type ExchangeRecord,
  type QueueRecord,
} from './topology-record.js';
export { isBlamedOn, Trials } from './trials.js';
