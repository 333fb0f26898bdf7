/** Run by a test in a worker thread: an application of its own, and what it saw. */
import 'reflect-metadata';
import { parentPort, workerData } from 'node:worker_threads';
import { testApplication } from 'leveret/testing';
import type { WorkerReport } from './isolation.test.js';
import { Orders, ShopModule } from './shop.module.js';

const { id } = workerData as { id: string };
const app = await testApplication(ShopModule, { broker: { port: 0 }, logger: false });
for (const amount of [1, 2, 3]) await app.publish('shop', 'order.created', { id, amount });
const settled = await app.settled('orders');
const report: WorkerReport = {
  settled,
  seen: app.get(Orders).seen.map((order) => order.id),
  published: (await app.expectPublished({ exchange: 'shop', count: 3 })).map(({ payload }) => payload),
};
await app.close();
parentPort?.postMessage(report);
