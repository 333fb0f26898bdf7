/**
 * What is on the broker otherwise than it is to be declared: found before anything is declared, told argument by argument,
 * and dealt with as the application chose.
 */
import { ArgumentError, Plan, type Connection, type PlannedEntity } from '../../amqp/index.js';
import { ConfigurationError, TopologyConflictError } from '../errors.js';
import type { ConflictChoice } from './start-options.js';
import type { Wish } from './wishes.js';
import { wait } from '../waiting.js';

/** Milliseconds between two looks at whether a conflict is mended. */
const conflictInterval = 1_000;

export interface ConflictPolicy {
  readonly choice: ConflictChoice;
  /** Milliseconds that `wait` waits. */
  readonly limit: number;
  /** Ends the waiting: it rejects then. */
  readonly signal: AbortSignal;
  /** Is told of what an application can start without, or waits for. */
  readonly warn: (message: string) => void;
}

/** What there is of exchanges and queues, by kind and name. */
export type PresentState = ReadonlyMap<string, PlannedEntity>;

export function keyOf({ kind, name }: { readonly kind: string; readonly name: string }): string {
  return `${kind} ${name}`;
}

/** Rejects with TopologyConflictError where the policy does not go on with what is there. */
export async function presentState(
  connection: Connection,
  wishes: readonly Wish[],
  policy: ConflictPolicy,
): Promise<PresentState> {
  const deadline = performance.now() + policy.limit;
  let told: string | undefined;
  for (;;) {
    const plan = await connection
      .plan({
        exchanges: wishes.flatMap(({ exchange }) => exchange ?? []),
        queues: wishes.flatMap(({ queue }) => queue ?? []),
      })
      .catch((error: unknown) => {
        throw namedByWish(error, wishes);
      });
    const present: PresentState = new Map(plan.entities.map((entity) => [keyOf(entity), entity]));
    const isTold = (wish: Wish): boolean => present.get(keyOf(wish))?.state === 'conflict';
    const differing = wishes.filter((wish) => isTold(wish) && wish.isParking !== true);
    if (differing.length === 0 || policy.choice === 'use') {
      for (const wish of wishes.filter(isTold)) {
        const entity = present.get(keyOf(wish));
        if (entity) policy.warn(`${wish.where}: it is used as it is: ${inWords(entity)}`);
      }
      return present;
    }
    const error = conflictError(differing, present);
    if (policy.choice === 'fail' || performance.now() >= deadline) throw error;
    if (error.message !== told) policy.warn(`${error.message}\nwaiting until it is mended`);
    told = error.message;
    await wait(Math.min(conflictInterval, deadline - performance.now()), policy.signal);
    if (policy.signal.aborted) throw error;
  }
}

/** `queues[1].arguments.a: ...` said by whom it is. */
function namedByWish(error: unknown, wishes: readonly Wish[]): unknown {
  if (!(error instanceof ArgumentError)) return error;
  const [, list, index] = /^(queues|exchanges)\[(\d+)\]/.exec(error.message) ?? [];
  const named = wishes.filter(({ queue, exchange }) => (list === 'queues' ? queue : exchange) !== undefined);
  const wish = named[Number(index)];
  return wish ? new ConfigurationError(wish.where, `${wish.title}: ${error.message}`, { cause: error }) : error;
}

function conflictError(wishes: readonly Wish[], present: PresentState): TopologyConflictError {
  const told = wishes.flatMap((wish) => {
    const entity = present.get(keyOf(wish));
    return entity ? [{ wish, entity }] : [];
  });
  const [{ where } = { where: 'AmqpModule' }] = wishes;
  const problems = told.map(({ wish, entity }) => (wish.where === where ? '' : `${wish.where}: `) + inWords(entity));
  return new TopologyConflictError(
    where,
    `the broker has it otherwise than declared: ${problems.join('\n')}`,
    told.map(({ entity }) => entity),
  );
}

/** `conflict queue orders`, and a line for each argument. */
function inWords(entity: PlannedEntity): string {
  return new Plan({ entities: [entity], extra: [] }).toString();
}
