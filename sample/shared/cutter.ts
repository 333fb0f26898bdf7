/** Cuts all connections while they are busy, and sees whether all of them recover. */
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Broker } from './broker.js';

export interface Cut<Activity> {
  /** What was going on, and would have been lost with a careless client. */
  readonly activity: Activity;
  readonly connections: number;
  /** Milliseconds until every connection was back; undefined: not all came back. */
  readonly recoveredAfter: number | undefined;
}

/** What can be seen of a connection: each life it has is one epoch. */
export interface Life {
  readonly isOpen: boolean;
  readonly epoch: number;
}

/** Milliseconds. */
const recoveryLimit = 20_000;

export class Cutter {
  readonly #broker: Broker;
  readonly #connections: () => readonly Life[];

  constructor(broker: Broker, connections: () => readonly Life[]) {
    this.#broker = broker;
    this.#connections = connections;
  }

  /**
   * Waits for a moment that is busy enough, cuts, and waits for the recovery.
   * Undefined: `working` ended before there was such a moment, and nothing was cut.
   */
  async cutDuring<Activity>(
    working: Promise<unknown>,
    look: () => Activity,
    isBusy: (activity: Activity) => boolean,
  ): Promise<Cut<Activity> | undefined> {
    const work = { isOver: false };
    void working.finally(() => (work.isOver = true)).catch(() => undefined);
    while (!isBusy(look())) {
      if (work.isOver) return undefined;
      await setImmediate();
    }
    const activity = look();
    const epochs = this.#connections().map(({ epoch }) => epoch);
    const cutAt = performance.now();
    const connections = this.#broker.cutAll();
    // A new epoch says that the connection was lost, and open that it came back.
    const isRecovered = (): boolean =>
      this.#connections().every(({ isOpen, epoch }, index) => isOpen && epoch > (epochs[index] ?? 0));
    while (!isRecovered() && performance.now() - cutAt < recoveryLimit) await setTimeout(5);
    const recoveredAfter = isRecovered() ? performance.now() - cutAt : undefined;
    return { activity, connections, recoveredAfter };
  }
}

/** A line about a cut: `cut 3 connections with <activity>: all recovered after 20 ms`. */
export function describeCut({ connections, recoveredAfter }: Cut<unknown>, activity: string): string {
  const ended =
    recoveredAfter === undefined ? 'not all of them recovered' : `all recovered after ${recoveredAfter.toFixed(0)} ms`;
  return `cut ${String(connections)} connections with ${activity}: ${ended}`;
}
