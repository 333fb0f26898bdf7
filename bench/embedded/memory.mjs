// What the embedded broker holds for a connection, a queue and a message: prints one line of JSON, in bytes. The broker is
// alone in this process, started with --expose-gc; the clients are another (memory-clients.mjs).
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { EmbeddedBroker } from '../../dist/esm/broker/index.js';

const counts = { connections: 1000, queues: 10_000, messages: 100_000 };
const broker = await EmbeddedBroker.start({ port: 0, heartbeat: 0 });
const clients = fork(fileURLToPath(new URL('./memory-clients.mjs', import.meta.url)), [broker.url], { execArgv: [] });

// A first round of each, so that what is made once for all is not counted.
await ask({ connections: 10, queues: 10, messages: 10 });
const result = {};
for (const [what, count] of Object.entries(counts)) {
  const before = await held();
  await ask({ [what]: count });
  const after = await held();
  result[what] = { count, heap: (after.heap - before.heap) / count, rss: (after.rss - before.rss) / count };
}
process.stdout.write(JSON.stringify(result));
clients.kill();
await broker.stop();

async function ask(task) {
  clients.send(task);
  const [failure] = await once(clients, 'message');
  if (failure !== '') throw new Error(failure);
}

/** What is still reachable, in the heap and beside it (buffers); and what the process has of the machine. */
async function held() {
  for (let round = 0; round < 4; round++) {
    await pause(100);
    globalThis.gc();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, rss };
}
