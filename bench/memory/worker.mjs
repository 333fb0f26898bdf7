// One measurement of memory, in a process of its own, started with --expose-gc. Reads its task as JSON from standard input,
// prints one line of JSON.
import { text } from 'node:stream/consumers';
import { parts } from './parts.mjs';

for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    process.stderr.write(`${error?.stack ?? error}\n`);
    process.exit(1);
  });
}

const { name, ...task } = JSON.parse(await text(process.stdin));
const result = await parts[name](task);
// What is held is let go with the process: closing it all is not measured.
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
