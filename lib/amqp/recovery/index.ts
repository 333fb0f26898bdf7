/** The recovery layer's face. */
export { backOffDelay, isWorthRecovery, wait } from './back-off.js';
export {
  fromDefinitions,
  toDefinitions,
  undefinable,
  type BindingDefinition,
  type DefinitionsArguments,
  type DefinitionsValue,
  type ExchangeDefinition,
  type QueueDefinition,
  type RabbitmqDefinitions,
  type TopologyEntities,
} from './definitions.js';
export { entityExists } from './entity-exists.js';
export { planTopology, type DeclaredTopology, type Difference, type PlannedEntity, type PlannedState } from './plan.js';
export { rebuildTopology, type BrokenEntity, type RebuildReport } from './rebuild.js';
export { legalMoves, RetryStates, type ConnectionState, type RetryState } from './states.js';
export { Supervisor, type SupervisorOwner } from './supervisor.js';
export {
  bindingName,
  TopologyRecord,
  type BindingRecord,
  type ExchangeRecord,
  type QueueRecord,
} from './topology-record.js';
export { isBlamedOn, Trials } from './trials.js';
