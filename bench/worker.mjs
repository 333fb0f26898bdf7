// One measurement: one client, one mode, in a process of its own. Reads its task as JSON from standard input (the URL
// with its password is on no command line), prints one line of JSON. `supported: false` says that the client has no
// such mode. Only this process's CPU time counts: user and system, of all its threads.
import { text } from 'node:stream/consumers';
import { properties } from './modes.mjs';

for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    process.stderr.write(`${error?.stack ?? error}\n`);
    process.exit(1);
  });
}

const { clientFile, mode, url, size, jobs } = JSON.parse(await text(process.stdin));
const { connect } = await import(new URL(clientFile, new URL('./clients/', import.meta.url)));
const body = Buffer.alloc(size, 'x');
const session = await connect(url);
const result = typeof session[mode] === 'function' ? await measure() : { supported: false };
await session.close();
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));

async function measure() {
  await session[mode]({ ...jobs.warmUp, body, properties });
  const job = { ...jobs.measured, body, properties };
  const cpuBefore = process.cpuUsage();
  const timeBefore = process.hrtime.bigint();
  await session[mode](job);
  const nanoseconds = Number(process.hrtime.bigint() - timeBefore);
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    supported: true,
    messagesPerSecond: (job.messages / nanoseconds) * 1e9,
    cpuMicrosecondsPerMessage: (user + system) / job.messages,
  };
}
