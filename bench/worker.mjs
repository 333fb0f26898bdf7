// One measurement: one client, one scenario, in a process of its own. Reads its task as JSON from standard input (the URL
// with its password is on no command line), prints one line of JSON. `supported: false` says that the client cannot do it.
// Only this process's CPU time counts: user and system, of all its threads.
import { text } from 'node:stream/consumers';

for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    process.stderr.write(`${error?.stack ?? error}\n`);
    process.exit(1);
  });
}

const { clientFile, messageFile, folder, methods, url, size, jobs } = JSON.parse(await text(process.stdin));
const { connect } = await import(clientFile);
const message = (await import(messageFile)).messageOf(size);
// A client of a suite with a folder of its own takes its packages from there.
const load = folder && (await import(new URL('./load.mjs', folder))).load;
const sessions = [];
for (let count = 0; count < methods.length; count++) sessions.push(await connect(url, load));
const isSupported = methods.every((method, index) => typeof sessions[index][method] === 'function');
const result = isSupported ? await measure() : { supported: false };
for (const session of sessions) await session.close();
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));

async function measure() {
  await run({ ...jobs.warmUp, ...message });
  const job = { ...jobs.measured, ...message };
  const cpuBefore = process.cpuUsage();
  const timeBefore = process.hrtime.bigint();
  const figures = await run(job);
  const nanoseconds = Number(process.hrtime.bigint() - timeBefore);
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    supported: true,
    messagesPerSecond: (job.messages / nanoseconds) * 1e9,
    cpuMicrosecondsPerMessage: (user + system) / job.messages,
    ...figures,
  };
}

/** Resolves with the figures that a method has beside the time and the CPU. */
async function run(job) {
  const all = await Promise.all(methods.map((method, index) => sessions[index][method](job)));
  return Object.assign({}, ...all);
}
