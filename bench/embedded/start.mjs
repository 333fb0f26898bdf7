// How long the embedded broker takes to start inside a process: prints one line of JSON, in milliseconds. A process of its
// own, because only the first start in a process pays for loading and compiling.
const begin = performance.now();
const { EmbeddedBroker } = await import('../../dist/esm/broker/index.js');
const loaded = performance.now();
const first = await startOnce();
const later = [];
for (let count = 0; count < 20; count++) later.push(await startOnce());
later.sort((a, b) => a - b);
process.stdout.write(JSON.stringify({ load: loaded - begin, first, later: later[10] }));

async function startOnce() {
  const started = performance.now();
  const broker = await EmbeddedBroker.start({ port: 0 });
  const milliseconds = performance.now() - started;
  await broker.stop();
  return milliseconds;
}
