/**
 * What goes through the broker in a run: the exchanges and queues, which message must come out where, and bodies that show
 * whether they are whole. Knows no faults and no connections.
 */
import type { Channel } from 'leveret/amqp';
import type { Random } from './random.js';

export const exchange = 'chaos';
const inner = 'chaos.inner';
/** Whose messages the exclusive queues with names of the broker's get. Nobody accounts for them. */
export const tickKey = 'tick';

interface ChaosQueue {
  readonly name: string;
  readonly type: 'classic' | 'quorum';
  readonly arguments: Readonly<Record<string, string | number>>;
  readonly keys: readonly string[];
}

export const queues: readonly ChaosQueue[] = [
  { name: 'chaos.1', type: 'classic', arguments: {}, keys: ['one'] },
  { name: 'chaos.2', type: 'quorum', arguments: {}, keys: ['two', 'both'] },
  // The one that is deleted: its messages go nowhere else.
  { name: 'chaos.3', type: 'classic', arguments: {}, keys: ['three'] },
  { name: 'chaos.4', type: 'classic', arguments: { 'x-max-priority': 3 }, keys: ['four', 'both'] },
  { name: 'chaos.5', type: 'quorum', arguments: {}, keys: ['five'] },
];
/** The queue that faults may delete. */
export const deletable = 'chaos.3';

/** Routing key to the queues that a message of that key must come out of. */
const routes: Readonly<Record<string, readonly string[]>> = {
  one: ['chaos.1'],
  two: ['chaos.2'],
  three: ['chaos.3'],
  four: ['chaos.4'],
  five: ['chaos.5'],
  both: ['chaos.2', 'chaos.4'],
  // By way of the second exchange.
  'inner.one': ['chaos.1'],
};

export interface Route {
  readonly key: string;
  readonly queues: readonly string[];
}

export function chooseRoute(random: Random, avoided: ReadonlySet<string>): Route {
  const open = Object.entries(routes).filter(([, to]) => !to.some((queue) => avoided.has(queue)));
  const [key, to] = random.pick(open);
  return { key, queues: to };
}

/** The exchanges, and the queue at that place with its bindings: what each consumer declares for itself. */
export async function declareTopology(channel: Channel, places: readonly number[]): Promise<void> {
  await Promise.all([channel.exchangeDeclare(exchange, 'topic'), channel.exchangeDeclare(inner, 'direct')]);
  await channel.exchangeBind(inner, exchange, 'inner.#');
  for (const place of places) {
    const queue = queueAt(place);
    const type = queue.type === 'quorum' ? { 'x-queue-type': 'quorum' } : {};
    await channel.queueDeclare(queue.name, { arguments: { ...queue.arguments, ...type } });
    await Promise.all(queue.keys.map((key) => channel.queueBind(queue.name, exchange, key)));
    if (queue.name === 'chaos.1') await channel.queueBind(queue.name, inner, 'inner.one');
  }
}

/** An exclusive queue with a name of the broker's, which gets the ticks; answers its name. */
export async function declareTicks(channel: Channel): Promise<string> {
  const { queue } = await channel.queueDeclare('', { exclusive: true, durable: false });
  await channel.queueBind(queue, exchange, tickKey);
  return queue;
}

/** Counted around. */
export function queueAt(place: number): ChaosQueue {
  const queue = queues[place % queues.length];
  if (!queue) throw new Error('there are no queues');
  return queue;
}

/** The value, a colon, and the value again and again. */
export function bodyOf(value: string, length: number): Buffer {
  const start = Buffer.from(`${value}:`);
  return Buffer.concat([start, Buffer.alloc(Math.max(0, length - start.length), value)]);
}

/** The value in a body, and whether all of the body is as it was sent. */
export function readBody(body: Buffer): { readonly value: string; readonly isWhole: boolean } {
  const value = body.subarray(0, Math.max(0, body.indexOf(':'))).toString();
  return { value, isWhole: value !== '' && body.equals(bodyOf(value, body.length)) };
}
