/** Applications that run at the same time, in one process or in worker threads, know nothing of each other. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from '@jest/globals';
import { nestMajor } from '../../support/nest-version.js';
import { fromSources } from '../threads/support.js';
import { Orders } from './shop.module.js';
import { startedApplications } from './support.js';

/** What a worker of a test runner found. */
export interface WorkerReport {
  readonly settled: readonly unknown[];
  readonly seen: readonly string[];
  readonly published: readonly unknown[];
}

describe('applications at the same time', () => {
  const start = startedApplications();

  test('eight in one process, each with faults and a time of its own, see only what is theirs', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    const apps = await Promise.all(names.map(() => start()));
    await Promise.all(
      apps.map(async (app, index) => {
        const id = names[index] ?? '';
        if (index % 2 === 1) app.broker.faults.dropAll();
        if (index % 3 === 1) await app.advance(3_600_000);
        for (let count = 0; count < 5; count += 1) await app.publish('shop', 'order.created', { id, amount: count });
        expect(await app.settled('orders')).toHaveLength(5);
        await app.expectPublished({ exchange: 'shop', payload: { order: id }, count: 5 });
      }),
    );
    for (const [index, app] of apps.entries()) {
      const id = names[index] ?? '';
      expect(new Set(app.get(Orders).seen.map((order) => order.id))).toEqual(new Set([id]));
      expect(new Set(app.published().map(({ payload }) => (payload as { order: string }).order))).toEqual(
        new Set([id]),
      );
      expect(new Set(app.consumed().map(({ payload }) => (payload as { id: string }).id))).toEqual(new Set([id]));
    }
  });

  test('one in each of four worker threads, as a test runner has them', async () => {
    const registered =
      nestMajor === 11 ? ['--import', new URL('../../support/nest11/register.mjs', import.meta.url).href] : [];
    const names = ['a', 'b', 'c', 'd'];
    const reports = await Promise.all(
      names.map(async (id) => {
        const worker = new Worker(new URL('worker.fixture.ts', import.meta.url), {
          workerData: { id },
          execArgv: [...fromSources, ...registered],
        });
        const ended = once(worker, 'exit');
        const [report] = (await once(worker, 'message')) as [WorkerReport];
        // Nothing holds it when its application is closed.
        expect(await ended).toEqual([0]);
        return report;
      }),
    );
    expect(reports).toEqual(
      names.map((id) => ({
        settled: [1, 2, 3].map(() => ({ outcome: 'ack', attempts: 1 })),
        seen: [id, id, id],
        published: [1, 2, 3].map(() => ({ order: id })),
      })),
    );
  }, 60_000);
});
