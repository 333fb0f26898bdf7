/**
 * A program of its own: an I/O thread, a share and a worker, all closed, after which the process must exit by itself.
 * Prints how long that took after the last close, in milliseconds.
 */
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { connect } from '../../../lib/amqp/index.js';

const typescript = new URL('../typescript-in-worker.mjs', import.meta.url).href;
/** Only Node.js must be told how to run TypeScript in a worker; Deno refuses such options. */
const execArgv = 'deno' in process.versions ? [] : ['--import', typescript];
const connection = await connect(process.env['AMQP_URL'], { ioThread: { execArgv } });
const channel = await connection.openChannel({ confirm: true });
const { queue } = await channel.queueDeclare('', { exclusive: true });
const port = connection.share();
/** Nobody ever takes it. */
connection.share();
const worker = new Worker(new URL('share-worker.ts', import.meta.url), {
  workerData: { port, work: 'publish', queue, count: 100 },
  transferList: [port],
  execArgv,
});
await once(worker, 'message');
worker.postMessage('close');
await once(worker, 'exit');
await connection.close();
const since = performance.now();
process.on('exit', () => {
  console.log(Math.round(performance.now() - since));
});
