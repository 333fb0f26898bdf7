// What is still reachable, in the heap and beside it (buffers), in bytes.
import { setTimeout as pause } from 'node:timers/promises';

export async function held() {
  // What a collection lets go is sometimes freed by the next one.
  for (let round = 0; round < 4; round++) {
    await pause(50);
    globalThis.gc();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Bytes held for each of `count` things that `make` makes, after a first few, so that what is made once is not counted. */
export async function heldForEach(count, make) {
  const kept = [await make(10)];
  const before = await held();
  kept.push(await make(count));
  const after = await held();
  if (kept.length !== 2) throw new Error('what was made must be kept until here');
  return (after - before) / count;
}
