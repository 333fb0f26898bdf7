/**
 * A worker thread with a connection over another thread's, for tests of `share()`. What it does is named in its
 * `workerData`; it says what happens as messages, and closes its connection when it is told to.
 */
import { once } from 'node:events';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { connectShared, type Connection } from '../../../lib/amqp/index.js';

interface Task {
  readonly port: MessagePort;
  /** publish: `count` messages to the queue; serve: acknowledge what comes; hold: take five and settle none; stall: compute. */
  readonly work: 'publish' | 'serve' | 'hold' | 'stall';
  readonly queue: string;
  readonly count?: number;
}

const { port, work, queue, count = 0 } = workerData as Task;
const say = (kind: string, fields: object = {}): void => parentPort?.postMessage({ kind, ...fields });

/** Blocks the thread, as a handler that computes does. */
function waitUntil(end: number): void {
  while (performance.now() < end);
}

const connection: Connection = await connectShared(port, { recovery: { initialDelay: 5, maxDelay: 50 } });
connection.on('lost', ({ cause }) => say('lost', { message: cause.message }));
connection.on('recovered', () => say('recovered'));
connection.on('failed', ({ cause }) => say('failed', { name: cause.name, message: cause.message }));
const channel = await connection.openChannel({ confirm: true, prefetch: work === 'hold' ? 5 : 50 });

switch (work) {
  case 'publish': {
    const publishes = Array.from({ length: count }, (_none, index) =>
      channel.publish('', queue, `worker ${String(index)}`),
    );
    const outcomes = await Promise.allSettled(publishes);
    say('published', { confirmed: outcomes.filter(({ status }) => status === 'fulfilled').length });
    break;
  }
  case 'serve':
    await channel.basicConsume(queue, (delivery) => {
      say('took', { body: delivery.body.toString(), redelivered: delivery.redelivered, settled: delivery.ack() });
    });
    say('ready');
    break;
  case 'hold':
    await channel.basicConsume(queue, (delivery) => {
      say('held', { body: delivery.body.toString() });
    });
    say('ready');
    break;
  case 'stall': {
    const end = performance.now() + 12_000;
    await channel.basicConsume(
      queue,
      () => {
        waitUntil(end);
      },
      { noAck: true },
    );
    break;
  }
}

if (parentPort && connection.state !== 'failed') {
  const enough = new AbortController();
  const told = once(parentPort, 'message', { signal: enough.signal }).catch(() => undefined);
  const failed = new Promise((resolve) => connection.once('failed', resolve));
  await Promise.race([told, failed]);
  // Stops listening: a port that nobody hears keeps no thread alive.
  enough.abort();
  parentPort.unref();
}
await connection.close();
say('closed');
