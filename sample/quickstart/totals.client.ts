import { setTimeout } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { AmqpClient, RequestTimeoutError } from 'leveret';
import { ConnectionLostError, type Connection } from 'leveret/amqp';
import type { Totals } from './ledger.js';

export const totalsClient = Symbol('client of the totals');

@Injectable()
export class TotalsClient {
  constructor(@Inject(totalsClient) private readonly client: AmqpClient) {}

  get connection(): Connection {
    return this.client.unwrap();
  }

  /** Asks until there is an answer: a question that went with its connection may be asked again. */
  async ask(): Promise<Totals> {
    for (;;) {
      try {
        return await this.client.request<Totals>('totals', {}, { timeout: 2_000 });
      } catch (error) {
        if (!(error instanceof ConnectionLostError || error instanceof RequestTimeoutError)) throw error;
        await setTimeout(10);
      }
    }
  }

  /**
   * Asks over and over, telling `onTotals`, until `lines` are accounted for. Gives up when nothing has changed for
   * `patience` milliseconds, since what is lost never comes.
   */
  async follow(lines: number, onTotals: (totals: Totals) => void, patience = 10_000): Promise<Totals> {
    let known = -1;
    let changedAt = performance.now();
    for (;;) {
      const totals = await this.ask();
      onTotals(totals);
      const accounted = totals.handled + totals.deadLettered;
      if (accounted !== known) changedAt = performance.now();
      known = accounted;
      if (accounted >= lines || performance.now() - changedAt > patience) return totals;
      await setTimeout(25);
    }
  }
}
