// `npm run test:versions`: `npm test` once on each version of RabbitMQ that we promise to work with.
//
// Where a version's node comes from:
//
//   1. LEVERET_TEST_URLS, for instance `3.10=amqp://localhost:5672 4.0=amqp://localhost:5673`: used as it is;
//   2. a laboratory: the program that LEVERET_TEST_LAB names, else `../shared/rabbitmq/lab` beside this project. It starts
//      a node for us, with a TLS listener, and stops it again.
//
// A version that neither gives is a failure, or with `--allow-missing` only a loud line. `--only 4.0,4.3` runs these
// alone. All other arguments are Jest's. One line per version, then `N passed, N failed, N skipped` over all of them.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { managementPlugins, tlsConfiguration, tlsPlugins } from './rabbitmq-node.mjs';
import { isOpensslInstalled, makeCertificates } from './test-certificates.mjs';

const supported = ['3.10', '4.0', '4.3'];
const root = dirname(dirname(fileURLToPath(import.meta.url)));

const { only, isMissingAllowed, jestArguments } = readArguments(process.argv.slice(2));
const given = readUrls(process.env.LEVERET_TEST_URLS ?? '');
const lab = process.env.LEVERET_TEST_LAB ?? join(root, '..', 'shared', 'rabbitmq', 'lab');
const temporary = await mkdtemp(join(tmpdir(), 'leveret-versions-'));
/** The laboratory's node that runs now. */
let running;
let child;
let interruptedBy;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interruptedBy = signal;
    child?.kill(signal);
  });
}
process.on('exit', () => {
  if (running !== undefined) spawnSync(lab, ['wipe', running], { stdio: 'ignore' });
});

function say(text) {
  console.error(text);
}

function readArguments(given) {
  const rest = [];
  let chosen = supported;
  let allowed = false;
  for (let at = 0; at < given.length; at++) {
    if (given[at] === '--allow-missing') allowed = true;
    else if (given[at] === '--only') chosen = (given[++at] ?? '').split(',');
    else if (given[at].startsWith('--only=')) chosen = given[at].slice('--only='.length).split(',');
    else rest.push(given[at]);
  }
  const unknown = chosen.filter((version) => !supported.includes(version));
  if (unknown.length > 0) {
    console.error(`test:versions: --only takes ${supported.join(', ')}, not ${unknown.join(', ')}`);
    process.exit(2);
  }
  return { only: chosen, isMissingAllowed: allowed, jestArguments: rest };
}

function readUrls(text) {
  const urls = new Map();
  for (const entry of text.split(/[\s,]+/).filter(Boolean)) {
    const at = entry.indexOf('=');
    // Never the entry itself: it holds a password.
    if (at < 0) throw new Error('LEVERET_TEST_URLS: not of the form VERSION=URL VERSION=URL ...');
    urls.set(entry.slice(0, at), entry.slice(at + 1));
  }
  return urls;
}

/** Runs a program; resolves with its exit code and what it said on standard output. */
function run(program, programArguments, options = {}) {
  return new Promise((resolve, reject) => {
    const { onOutput, ...spawnOptions } = options;
    let output = '';
    child = spawn(program, programArguments, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], ...spawnOptions });
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
      onOutput?.(text);
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      child = undefined;
      resolve({ code: code ?? 128 + (constants.signals[signal] ?? 0), output });
    });
  });
}

/** Two ports that are free now; the laboratory adds 10000 and 20000 to the first for ports of its own. */
async function choosePorts() {
  for (let port = 20_000 + Math.floor(Math.random() * 10_000); ; port += 10) {
    const wanted = [port, port + 1, port + 10_000, port + 20_000];
    const free = await Promise.all(wanted.map(isFree));
    if (free.every(Boolean)) return { port, tlsPort: port + 1 };
  }
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Starts a node in the laboratory; resolves with what the tests need to know of it. */
async function startInLab(version) {
  const { port, tlsPort } = await choosePorts();
  const name = `leveret-${version.replace('.', '-')}-${process.pid}`;
  // The node's own folder: the only one that a laboratory may be sure to show to each version.
  const directory = join(process.env.LAB ?? '/tmp/rabbitmq-lab', name, 'certificates');
  const configuration = join(temporary, `${name}.conf`);
  // Where the laboratory has the management API listen.
  const environment = { LEVERET_TEST_MANAGEMENT_URL: `http://guest:guest@127.0.0.1:${port + 10_000}` };
  const plugins = [...managementPlugins];
  running = name;
  let tls = '';
  if (await isOpensslInstalled()) {
    await mkdir(directory, { recursive: true });
    await makeCertificates(directory);
    tls = tlsConfiguration(tlsPort, directory);
    environment.LEVERET_TEST_TLS_DIRECTORY = directory;
    environment.LEVERET_TEST_AMQPS_URL = `amqps://guest:guest@127.0.0.1:${tlsPort}`;
    plugins.push(...tlsPlugins);
  }
  await run(lab, ['plugins', name, ...plugins]);
  await writeFile(configuration, `log.console = false\n${tls}`);
  const { code } = await run(lab, ['start', name, String(port), version, configuration]);
  if (code !== 0) throw new Error(`the laboratory could not start RabbitMQ ${version}`);
  const control = join(temporary, `${name}-ctl`);
  await writeFile(control, `#!/bin/sh\n# Runs rabbitmqctl against this node.\nexec '${lab}' ctl '${name}' "$@"\n`);
  await chmod(control, 0o755);
  return {
    ...environment,
    AMQP_URL: `amqp://guest:guest@127.0.0.1:${port}`,
    LEVERET_TEST_RABBITMQCTL: control,
  };
}

async function stopInLab() {
  const name = running;
  if (name === undefined) return;
  await run(lab, ['wipe', name]);
  running = undefined;
}

async function testVersion(version) {
  const url = given.get(version);
  const started = Date.now();
  try {
    // Nothing of another broker may leak in.
    const inherited = Object.entries(process.env).filter(([key]) => !/^(AMQP_URL|LEVERET_TEST_(?!LAB$))/.test(key));
    const own = url === undefined ? await startInLab(version) : { AMQP_URL: url };
    const { code, output } = await run(process.execPath, [join(root, 'scripts', 'test.mjs'), ...jestArguments], {
      env: { ...Object.fromEntries(inherited), ...own },
      onOutput: (text) => process.stderr.write(text),
    });
    const sum = /^(\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(output.trimEnd().split('\n').at(-1) ?? '');
    const [passed, failed, skipped] = sum ? sum.slice(1).map(Number) : [0, 1, 0];
    // A run may fail without a failed test: a skip too many, a coverage too low.
    return { passed, failed, skipped, code, seconds: (Date.now() - started) / 1000 };
  } finally {
    await stopInLab();
  }
}

const results = [];
const totals = { passed: 0, failed: 0, skipped: 0 };
let exitCode = 0;
for (const version of only) {
  if (interruptedBy !== undefined) break;
  if (!given.has(version) && !existsSync(lab)) {
    results.push(`${version}: NOT TESTED: neither in LEVERET_TEST_URLS nor to be had from a laboratory`);
    if (!isMissingAllowed) {
      totals.failed += 1;
      exitCode = 1;
    }
    continue;
  }
  say(`\n=== RabbitMQ ${version} ===`);
  try {
    const { passed, failed, skipped, code, seconds } = await testVersion(version);
    totals.passed += passed;
    totals.failed += failed;
    totals.skipped += skipped;
    if (code !== 0) exitCode = 1;
    const verdict = code !== 0 && failed === 0 ? ` (ended with ${code})` : '';
    results.push(
      `${version}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds.toFixed(0)} s${verdict}`,
    );
  } catch (error) {
    totals.failed += 1;
    exitCode = 1;
    results.push(`${version}: NOT TESTED: ${error.message}`);
  }
}
await rm(temporary, { recursive: true, force: true });
if (interruptedBy !== undefined) {
  say(`test:versions: interrupted by ${interruptedBy}`);
  exitCode = 128 + constants.signals[interruptedBy];
}
console.log(['', ...results].join('\n'));
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = exitCode;
