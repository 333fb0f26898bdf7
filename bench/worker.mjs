// One measurement: one client, one mode, in a process of its own. Reads its task as JSON from standard input (the URL
// with its password is on no command line), prints one line of JSON. `supported: false` says that the client has no
// such mode. Only this process's CPU time counts: user and system, of all its threads.
import { text } from 'node:stream/consumers';

for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    process.stderr.write(`${error?.stack ?? error}\n`);
    process.exit(1);
  });
}

const { clientFile, modesFile, folder, method, url, size, jobs } = JSON.parse(await text(process.stdin));
const { connect } = await import(clientFile);
const message = (await import(modesFile)).messageOf(size);
// A client of a suite with a folder of its own takes its packages from there.
const session = await connect(url, folder && (await import(new URL('./load.mjs', folder))).load);
const result = typeof session[method] === 'function' ? await measure() : { supported: false };
await session.close();
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));

async function measure() {
  await session[method]({ ...jobs.warmUp, ...message });
  const job = { ...jobs.measured, ...message };
  const cpuBefore = process.cpuUsage();
  const timeBefore = process.hrtime.bigint();
  await session[method](job);
  const nanoseconds = Number(process.hrtime.bigint() - timeBefore);
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    supported: true,
    messagesPerSecond: (job.messages / nanoseconds) * 1e9,
    cpuMicrosecondsPerMessage: (user + system) / job.messages,
  };
}
