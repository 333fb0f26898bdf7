// npm run bench: measures leveret beside its peers, each in a process of its own, interleaved, on one broker.
// Standard output carries the results alone; progress goes to standard error. See README.md for what the figures mean.
// Exit code: 0, 1 when a measurement failed, 2 when an option is wrong or the broker cannot be reached.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { ours } from './clients/index.mjs';
import { firstLine, measureOnce } from './measure.mjs';
import { UsageError, readOptions, usage, withoutCredentials, withoutPassword } from './options.mjs';
import { buildLeveret, installDependencies, installLeveret } from './prerequisites.mjs';

let url;
try {
  if (process.argv[2] === 'broker') {
    // Not clients on one broker, but one client on several.
    await (await import('./embedded/main.mjs')).main(process.argv.slice(3), process.env);
  } else {
    const options = readOptions(process.argv.slice(2), process.env);
    url = options.url;
    if (options.help) console.log(usage);
    else await main(options);
  }
} catch (error) {
  const line = `bench: ${error.message}`;
  console.error(url === undefined ? line : withoutPassword(line, url));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function main(options) {
  installDependencies();
  // These two import what was just installed.
  const { openBroker } = await import('./broker.mjs');
  const { summarise, table, whole } = await import('./report.mjs');
  const broker = await openBroker(options.url).catch((error) => {
    throw new UsageError(`cannot use the broker at ${withoutCredentials(options.url)}: ${firstLine(error)}`);
  });
  try {
    for (const suite of options.suites) prepareSuite(suite);
    const loadBefore = os.loadavg()[0];
    const measured = [];
    for (const suite of options.suites) {
      for (const mode of suite.modeNames) measured.push(...(await measureMode(suite, mode, options, broker, whole)));
    }
    const results = summarise(measured);
    const setting = {
      date: new Date().toISOString(),
      node: process.version,
      cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
      cores: os.availableParallelism(),
      loadBefore: Number(loadBefore.toFixed(2)),
      broker: `${broker.product} ${broker.version}`,
      messages: options.messages,
      size: options.size,
      rounds: options.rounds,
    };
    if (options.json) {
      console.log(JSON.stringify({ ...setting, results }, null, 2));
      return;
    }
    console.log(
      `${setting.broker}, Node ${setting.node}, ${setting.cores} × ${setting.cpu}, load ${setting.loadBefore} before\n` +
        `median of ${setting.rounds} rounds of ${whole(setting.messages)} messages of ${whole(setting.size)} bytes`,
    );
    for (const { name, title, modes, modeNames } of options.suites) {
      for (const mode of modeNames) {
        const ofMode = results.filter((result) => result.suite === name && result.mode === mode);
        const { title: modeTitle } = modes[mode];
        console.log(`\n${table(title === undefined ? modeTitle : `${title}, ${modeTitle}`, ofMode)}`);
      }
    }
  } finally {
    await broker.close();
  }
}

function prepareSuite({ clients, folder }) {
  if (folder !== undefined) installDependencies(fileURLToPath(folder));
  if (!clients.some(({ name }) => name.startsWith(ours))) return;
  buildLeveret();
  if (folder !== undefined) installLeveret(fileURLToPath(folder));
}

/** All rounds of one mode. Each round begins with another client, so that none always runs first. */
async function measureMode(suite, mode, options, broker, whole) {
  const measured = suite.clients.map((client) => ({ client, rounds: [] }));
  for (let round = 0; round < options.rounds; round++) {
    const shift = round % measured.length;
    for (const entry of [...measured.slice(shift), ...measured.slice(0, shift)]) {
      const result = await measureOnce(suite, mode, entry.client, options, broker);
      if (!result.supported) continue;
      entry.rounds.push(result);
      console.error(
        `${suite.title === undefined ? '' : `${suite.title}, `}${mode}, round ${round + 1} of ${options.rounds}: ${entry.client.name} ` +
          `${whole(result.messagesPerSecond)} messages/s, ${result.cpuMicrosecondsPerMessage.toFixed(2)} µs`,
      );
    }
  }
  return measured
    .filter(({ rounds }) => rounds.length > 0)
    .map(({ client, rounds }) => ({
      suite: suite.name,
      mode,
      client: client.name,
      version: versionOf(client),
      ...(client.comparedWith === undefined ? {} : { comparedWith: client.comparedWith }),
      rounds: rounds.map(({ supported: _, ...figures }) => figures),
    }));
}

function versionOf({ manifest }) {
  return JSON.parse(readFileSync(manifest, 'utf8')).version;
}
