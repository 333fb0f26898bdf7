// One measurement of the guard: what a method of a client allocates for a message, and its CPU time. Started with
// --expose-gc and a young generation so large that nothing is collected meanwhile: what the heap has grown by is what was
// allocated. Where something was collected all the same, the figure is none. Buffers are beside the heap, and not in it: how
// many come depends on how the socket cuts what it reads.
import { PerformanceObserver } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import { messageOf } from '../scenarios/clients.mjs';
import { yardstick } from './yardstick.mjs';

for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    process.stderr.write(`${error?.stack ?? error}\n`);
    process.exit(1);
  });
}

let collections = 0;
const observer = new PerformanceObserver((list) => (collections += list.getEntries().length));
observer.observe({ entryTypes: ['gc'] });

const { clientFile, url, method, jobs, repeats } = JSON.parse(await text(process.stdin));
const { connect } = await import(clientFile);
const session = await connect(url);
const message = messageOf(256);
await session[method]({ ...jobs.warmUp, ...message });
const found = [];
for (let repeat = 0; repeat < repeats; repeat++) {
  globalThis.gc();
  await new Promise((resolve) => setTimeout(resolve, 20));
  collections = 0;
  const heapBefore = process.memoryUsage().heapUsed;
  const cpuBefore = process.cpuUsage();
  await session[method]({ ...jobs.measured[repeat], ...message });
  const { user, system } = process.cpuUsage(cpuBefore);
  const heap = process.memoryUsage().heapUsed - heapBefore;
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { messages } = jobs.measured[repeat];
  found.push({ cpu: (user + system) / messages, ...(collections === 0 ? { bytes: heap / messages } : {}) });
}
await session.close();
process.stdout.write(`${JSON.stringify({ found, yardstick: yardstick() })}\n`, () => process.exit(0));
