// leveret in a worker thread, over a connection that the main thread shares; otherwise as in leveret.mjs. The main
// thread does nothing but carry.
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { connect as connectToBroker, connectShared } from '../../dist/esm/amqp/index.js';
import { sessionOver } from './leveret.mjs';

export async function connect(url) {
  const connection = await connectToBroker(url);
  const port = connection.share();
  const worker = new Worker(new URL(import.meta.url), { workerData: { port }, transferList: [port] });
  const ended = once(worker, 'exit');
  const run = async (mode, job) => {
    worker.postMessage({ mode, job });
    // Rejects with what the worker threw.
    await once(worker, 'message');
  };
  return {
    publish: (job) => run('publish', job),
    confirm: (job) => run('confirm', job),
    consume: (job) => run('consume', job),
    async close() {
      await run('close');
      await ended;
      await connection.close();
    },
  };
}

if (!isMainThread) {
  const session = sessionOver(await connectShared(workerData.port));
  parentPort.on('message', async ({ mode, job }) => {
    // A port hands over bytes, and no Buffers.
    await session[mode](job && { ...job, body: Buffer.from(job.body) });
    parentPort.postMessage('done');
    if (mode === 'close') parentPort.close();
  });
}
