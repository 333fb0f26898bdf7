// What the figures of memory say. Pure, apart from the table.
import { median, whole } from '../figures.mjs';
import { textTable } from './tables.mjs';

const mebibyte = 1_048_576;
/**
 * What a kept body or delivery may hold beside its size: 64 KiB would say that it holds the chunk it came in. Small buffers come
 * out of Node's pool of 8 KiB, which the last that is kept keeps.
 */
const keptLimit = 12 * 1024;
/** What a process may hold beside what is bounded. */
const slack = 2 * mebibyte;

const each = ['connections', 'channels', 'consumers', 'in-flight publishes'];

/** Of things that are made many times: rows of a table. */
export function memoryTable({ results }) {
  const rows = each
    .filter((name) => results[name] !== undefined)
    .map((name) => [name, whole(results[name].count), whole(results[name].bytes)]);
  return { head: ['what', 'so many', 'bytes held for each'], rows };
}

/**
 * The heap over the second half of its samples: how much it grew from the first of these to the last, by the medians of
 * thirds.
 */
export function heapGrowth({ samples }) {
  const half = samples.slice(Math.floor(samples.length / 2)).map(({ bytes }) => bytes);
  const third = Math.ceil(half.length / 3);
  return median(half.slice(-third)) - median(half.slice(0, third));
}

/** Whether each promise is kept. */
export function memoryVerdicts({ results }) {
  const found = [];
  const say = (isKept, text) => found.push({ isKept, text: `${text}${isKept ? '' : ': NOT KEPT'}` });
  for (const name of ['kept bodies', 'kept deliveries']) {
    if (results[name] === undefined) continue;
    const { count, size, bytes } = results[name];
    say(
      bytes <= size + keptLimit,
      `${whole(count)} ${name} of ${size} bytes hold ${whole(bytes)} bytes each; up to ${whole(size + keptLimit)} are well, 65,536 is the chunk they came in`,
    );
  }
  const slow = results['slow consumer'];
  if (slow !== undefined) {
    say(
      slow.bytes <= slow.bound + slack,
      `a slow consumer holds ${slow.most} messages at most, ${whole(slow.bytes)} bytes; prefetch times body is ${whole(slow.bound)}`,
    );
  }
  const blocked = results['blocked broker'];
  if (blocked !== undefined) {
    say(
      blocked.bytes <= blocked.bound + slack && blocked.refused > 0,
      `while the broker is blocked ${whole(blocked.waiting)} publishes wait and ${whole(blocked.refused)} are refused: ` +
        `${whole(blocked.bytes)} bytes are held; the bound is ${whole(blocked.bound)}`,
    );
  }
  if (results.heap !== undefined) {
    const growth = heapGrowth(results.heap);
    const { messages } = results.heap.samples.at(-1);
    say(
      growth < mebibyte / 2,
      `over ${whole(messages)} messages the heap went ${growth < 0 ? 'down' : 'up'} by ${whole(Math.abs(growth))} bytes in their second half`,
    );
  }
  return found;
}

/** For a terminal. */
export function formatMemory(part) {
  const { head, rows } = memoryTable(part);
  const verdicts = memoryVerdicts(part).map(({ text }) => text);
  return [
    `memory of a client, Node ${part.node}`,
    ...(rows.length > 0 ? [textTable(head, rows)] : []),
    ...verdicts,
  ].join('\n');
}
