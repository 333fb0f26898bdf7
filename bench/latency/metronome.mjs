// A thread that says every millisecond that it is time. Timers of an event loop are late by up to a millisecond or two,
// which would hide what is measured; this thread sleeps until the moment itself, and costs the measured thread one message.
import { parentPort } from 'node:worker_threads';

const milliseconds = 1;
const cell = new Int32Array(new SharedArrayBuffer(4));
for (let next = performance.now() + milliseconds; ; next = Math.max(next + milliseconds, performance.now())) {
  const left = next - performance.now();
  if (left > 0) Atomics.wait(cell, 0, 0, left);
  parentPort.postMessage('');
}
