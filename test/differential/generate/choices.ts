/**
 * What sequences are made of: weighted choices, and the pools of names, which are small, so that steps meet each other.
 *
 * Pure.
 */
import fc from 'fast-check';
import type { FieldTable, FieldValue } from '../../../lib/amqp/protocol/index.js';
import type { Slot } from '../steps.js';

export type Arbitrary<Value> = fc.Arbitrary<Value>;
export type Weighted<Value> = readonly [number, Arbitrary<Value>];

/** What kinds of queues a sequence has: quorum queues take a hundred times as long. */
export interface GeneratorOptions {
  readonly hasQuorumQueues: boolean;
  /** Some messages expire, which must be waited for. */
  readonly hasShortLives: boolean;
}

export const oneOf = <Value>(...choices: readonly Weighted<Value>[]): Arbitrary<Value> =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
export const among = <Value>(...values: readonly Value[]): Arbitrary<Value> => fc.constantFrom(...values);
/** True in so many of a hundred cases. */
export const chance = (percent: number): Arbitrary<boolean> =>
  fc.integer({ min: 0, max: 99 }).map((value) => value >= 100 - percent);

export const slot: Arbitrary<Slot> = oneOf<Slot>(
  [5, fc.constant(0)],
  [3, fc.constant(1)],
  [3, fc.constant(2)],
  [1, fc.constant(3)],
);
export const ownQueue = among('~q0', '~q1', '~q2', '~q3');
export const ownExchange = among('~e0', '~e1', '~e2');
export const queueName = oneOf<string>([60, ownQueue], [2, fc.constant('~none')], [2, fc.constant('')]);
export const exchangeName = oneOf<string>([40, ownExchange], [1, fc.constant('~none')]);
export const routingKey = among('a', 'a.b', 'a.b.c', 'b', '');
export const bindingKey = among('a', 'a.b', 'a.*', 'a.#', '#', '*', '#.c', 'b', '', '*.*', 'a.#.c');

export function table(choices: readonly Weighted<FieldTable>[], emptyWeight: number, most = 3): Arbitrary<FieldTable> {
  const some = fc.array(oneOf(...choices), { minLength: 1, maxLength: most });
  return oneOf<FieldTable>(
    [emptyWeight, fc.constant({})],
    [10, some.map((tables) => Object.assign({}, ...tables) as FieldTable)],
  );
}

export const field = (name: string, ...values: readonly FieldValue[]): Arbitrary<FieldTable> =>
  among(...values).map((value) => ({ [name]: value }));
