/** Cuts all connections while they are busy, and sees whether all of them recover. */
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Broker } from './broker.js';

/** What is going on, and would be lost with a careless client. */
export interface Activity {
  readonly unconfirmedPublishes: number;
  readonly unsettledDeliveries: number;
}

export interface Cut extends Activity {
  readonly connections: number;
  /** Milliseconds until every connection was back; undefined: not all came back. */
  readonly recoveredAfter: number | undefined;
}

/** What can be seen of a connection: each life it has is one epoch. */
export interface Life {
  readonly isOpen: boolean;
  readonly epoch: number;
}

const fewestUnconfirmed = 100;
const fewestUnsettled = 1;
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
   * Waits for a moment at which at least 100 publishes are unconfirmed and a delivery is unsettled, cuts, and waits for
   * the recovery. Undefined: `working` ended before there was such a moment, and nothing was cut.
   */
  async cutDuring(working: Promise<unknown>, activity: () => Activity): Promise<Cut | undefined> {
    const work = { isOver: false };
    void working.finally(() => (work.isOver = true)).catch(() => undefined);
    while (!isBusy(activity())) {
      if (work.isOver) return undefined;
      await setImmediate();
    }
    const before = activity();
    const epochs = this.#connections().map(({ epoch }) => epoch);
    const cutAt = performance.now();
    const connections = this.#broker.cutAll();
    // A new epoch says that the connection was lost, and open that it came back.
    const isRecovered = (): boolean =>
      this.#connections().every(({ isOpen, epoch }, index) => isOpen && epoch > (epochs[index] ?? 0));
    while (!isRecovered() && performance.now() - cutAt < recoveryLimit) await setTimeout(5);
    const recoveredAfter = isRecovered() ? performance.now() - cutAt : undefined;
    return { ...before, connections, recoveredAfter };
  }
}

function isBusy({ unconfirmedPublishes, unsettledDeliveries }: Activity): boolean {
  return unconfirmedPublishes >= fewestUnconfirmed && unsettledDeliveries >= fewestUnsettled;
}
