/** Sets of declarations: what they would change on the broker, and doing it. Must not know lives. */
import { AmqpError, ArgumentError } from '../errors.js';
import { copyTable, type FieldTable } from '../protocol/index.js';
import {
  bindingKey,
  type BindingRecord,
  type DeclaredTopology,
  type PlanFindings,
  type PlannedEntity,
  type PlannedState,
} from '../recovery/index.js';
import { check, checkOptions } from './arguments.js';
import type { Channel } from './channel.js';
import type { ExchangeDeclareOptions, ExchangeType, QueueDeclareOptions } from './channel-options.js';

/** An exchange that is to be there. */
export interface ExchangeDeclaration extends Omit<ExchangeDeclareOptions, 'passive'> {
  /** Its name. */
  name: string;
  /** `direct`, `fanout`, `topic`, `headers`, or a plugin's. */
  type: ExchangeType;
}

/** A queue that is to be there. */
export interface QueueDeclaration extends Omit<QueueDeclareOptions, 'passive'> {
  /** Its name; the broker chooses none here. */
  name: string;
}

/** A binding that is to be there. */
export interface BindingDeclaration {
  /** The exchange that messages come from. */
  source: string;
  /** The queue or exchange that they go to. */
  destination: string;
  /** What `destination` names. Default `queue`. */
  kind?: 'queue' | 'exchange' | undefined;
  /** Default empty. */
  routingKey?: string | undefined;
  /** For a headers exchange for instance. */
  arguments?: FieldTable | undefined;
}

/** What `connection.plan` and `connection.apply` take. A connection's `topology` will do. */
export interface Declarations {
  /** Exchanges that are to be there. */
  exchanges?: readonly ExchangeDeclaration[] | undefined;
  /** Queues that are to be there. */
  queues?: readonly QueueDeclaration[] | undefined;
  /** Bindings that are to be there. */
  bindings?: readonly BindingDeclaration[] | undefined;
}

/** What a set of declarations would change on the broker: exchanges, queues, bindings, each in the order given. */
export class Plan {
  /** All that was declared. */
  readonly entities: readonly PlannedEntity[];
  /**
   * Bindings on the broker to exchanges and queues of the plan that are not among the declarations. Told where the
   * management API is asked; else there are none. `apply` leaves them alone.
   */
  readonly extra: readonly BindingRecord[];

  /** Made by `connection.plan`. */
  constructor({ entities, extra }: PlanFindings) {
    this.entities = entities;
    this.extra = extra;
  }

  /** What a declare would make. */
  get missing(): readonly PlannedEntity[] {
    return this.#inState('missing');
  }

  /** What is there as declared. */
  get equal(): readonly PlannedEntity[] {
    return this.#inState('equal');
  }

  /** What the broker has otherwise than declared: declaring it would be refused (406). */
  get conflicts(): readonly PlannedEntity[] {
    return this.#inState('conflict');
  }

  /** What the broker did not say, bindings above all. */
  get unknown(): readonly PlannedEntity[] {
    return this.#inState('unknown');
  }

  /** True when nothing is known to be missing, in conflict or extra. What is unknown does not count. */
  get isEqual(): boolean {
    return this.missing.length + this.conflicts.length + this.extra.length === 0;
  }

  /** For people: one line for each entity, for each difference, and for each extra binding. */
  toString(): string {
    return [...this.entities.map(describe), ...this.extra.map(describeExtra)].join('\n');
  }

  #inState(state: PlannedState): readonly PlannedEntity[] {
    return this.entities.filter((entity) => entity.state === state);
  }
}

/** `connection.apply`: something is on the broker otherwise than declared. Nothing was declared. */
export class PlanConflictError extends AmqpError {
  /** What was found, conflicts and all. */
  readonly plan: Plan;

  constructor(plan: Plan) {
    super(`the broker has it otherwise, and nothing was declared:\n${plan.conflicts.map(describe).join('\n')}`);
    this.plan = plan;
  }
}

/** An entity for people: a line, and one for each difference. */
export function describe({ kind, name, state, policy, differences, isComplete, error }: PlannedEntity): string {
  const lines = differences.map(
    ({ argument, declared, onBroker }) =>
      `    ${argument}: declared ${show(declared)}, on the broker ${show(onBroker)}`,
  );
  if (!isComplete) lines.push('    and maybe in more');
  if (error) lines.push(`    ${error.message}`);
  return [`${state} ${kind} ${name}${policy === undefined ? '' : ` (policy ${policy})`}`, ...lines].join('\n');
}

/** A binding that was not declared, for people. */
export function describeExtra({ source, destination, routingKey, arguments: table }: BindingRecord): string {
  return `extra binding ${source} -> ${destination} (${routingKey})${Object.keys(table).length === 0 ? '' : ` ${show(table)}`}`;
}

function show(value: unknown): string {
  if (value === undefined) return 'none';
  return JSON.stringify(value, (_name, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner));
}

/** A record as declarations. */
export function declarationsOf({ exchanges, queues, bindings }: DeclaredTopology): Declarations {
  return { exchanges, queues, bindings };
}

/** The plan without what is no longer declared. */
export function stillDeclared({ entities, extra }: Plan, { exchanges, queues, bindings }: DeclaredTopology): Plan {
  const names = new Set([
    ...exchanges.map(({ name }) => `exchange ${name}`),
    ...queues.map(({ name }) => `queue ${name}`),
  ]);
  const keys = new Set(bindings.map(bindingKey));
  const isDeclared = ({ kind, name, declared }: PlannedEntity): boolean =>
    'source' in declared ? keys.has(bindingKey(declared)) : names.has(`${kind} ${name}`);
  return new Plan({
    entities: entities.filter(isDeclared),
    extra: extra.filter((one) => names.has(`${one.kind} ${one.destination}`) && !keys.has(bindingKey(one))),
  });
}

// --- what users give ------------------------------------------------------------------------------

const exchangeKinds = {
  ...({ name: 'name', type: 'name', durable: 'boolean', autoDelete: 'boolean', internal: 'boolean' } as const),
  ...({ arguments: 'table', declaredBy: 'names' } as const),
} as const;
const queueKinds = {
  ...({ name: 'name', durable: 'boolean', autoDelete: 'boolean', exclusive: 'boolean', arguments: 'table' } as const),
  // A topology's own records have these.
  ...({ isServerNamed: 'boolean', declaredBy: 'names' } as const),
} as const;
const bindingKinds = {
  ...({ source: 'name', destination: 'name', routingKey: 'name', arguments: 'table' } as const),
  ...({ kind: 'name', declaredBy: 'names' } as const),
} as const;

/** Throws ArgumentError, which names the place, for instance `queues[2].durable`. */
export function checkDeclarations(declarations: Declarations): DeclaredTopology {
  // A Map, a list, a Date: it has no such fields, and would count as empty.
  if (Object.prototype.toString.call(declarations) !== '[object Object]') {
    throw new ArgumentError('declarations', 'must be an object with exchanges, queues and bindings');
  }
  const known: readonly string[] = ['exchanges', 'queues', 'bindings'];
  for (const name of Object.keys(declarations)) {
    if (!known.includes(name)) throw new ArgumentError(name, `unknown; known are ${known.join(', ')}`);
  }
  return {
    exchanges: each(declarations.exchanges, 'exchanges', (exchange) => {
      const given = checkOptions(exchange, exchangeKinds, 'an exchange');
      const { name, type, durable = true, autoDelete = false, internal = false, arguments: table = {} } = given;
      check(name, 'name', 'name');
      check(type, 'name', 'type');
      return { name, type, durable, autoDelete, internal, arguments: table };
    }),
    queues: each(declarations.queues, 'queues', (queue: QueueDeclaration & { isServerNamed?: boolean }) => {
      const given = checkOptions(queue, queueKinds, 'a queue');
      const { name, durable = true, autoDelete = false, exclusive = false, arguments: table = {} } = given;
      check(name, 'name', 'name');
      if (name === '') throw new ArgumentError('name', 'is empty; a queue that the broker names is for queueDeclare');
      return { name, isServerNamed: given.isServerNamed ?? false, durable, autoDelete, exclusive, arguments: table };
    }),
    bindings: each(declarations.bindings, 'bindings', (binding) => {
      const given = checkOptions(binding, bindingKinds, 'a binding');
      const { source, destination, kind = 'queue', routingKey = '', arguments: table = {} } = given;
      check(source, 'name', 'source');
      check(destination, 'name', 'destination');
      if (!['queue', 'exchange'].includes(kind)) throw new ArgumentError('kind', 'must be queue or exchange');
      return { source, destination, kind, routingKey, arguments: copyTable(table, 'arguments') };
    }),
  };
}

function each<Given extends object, Checked>(
  list: readonly Given[] | undefined,
  name: string,
  checkOne: (given: Given) => Checked,
): Checked[] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw new ArgumentError(name, 'must be a list');
  return (list as readonly Given[]).map((given, index) => {
    try {
      return checkOne(given);
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      throw new ArgumentError(
        `${name}[${String(index)}].${error.argument}`,
        error.message.slice(error.argument.length + 2),
      );
    }
  });
}

/** Declares everything that is not there, and makes all bindings, which changes nothing where they are. */
export async function applyDeclarations(channel: Channel, declared: DeclaredTopology, plan: Plan): Promise<void> {
  const isEqual = new Set(
    plan.entities.filter(({ state }) => state === 'equal').map(({ kind, name }) => `${kind} ${name}`),
  );
  await Promise.all([
    ...declared.exchanges
      // The default exchange, and others that every broker has, are there.
      .filter(({ name }) => name !== '' && !(name.startsWith('amq.') && isEqual.has(`exchange ${name}`)))
      .map(({ name, type, ...options }) => channel.exchangeDeclare(name, type, options)),
    ...declared.queues
      .filter(({ isServerNamed }) => !isServerNamed)
      .map(({ name, isServerNamed: _, ...options }) => channel.queueDeclare(name, options)),
  ]);
  await Promise.all(
    declared.bindings.map(({ kind, source, destination, routingKey, arguments: table }) =>
      kind === 'queue'
        ? channel.queueBind(destination, source, routingKey, table)
        : channel.exchangeBind(destination, source, routingKey, table),
    ),
  );
}
