// `npm run test:runtimes`: the client's suite on Bun and Deno, against the built package (dist/esm) as a user installs it.
//
//   npm run test:runtimes                       Bun and Deno
//   npm run test:runtimes -- bun                one of them
//   npm run test:runtimes -- node               the control: this Node.js under the same adapter
//   npm run test:runtimes -- --install          whichever is missing comes from npm, into build/runtime-programs
//   npm run test:runtimes -- --node 22,24       the same tests under Jest on other versions of Node.js; with `bun deno`, too
//   npm run test:runtimes -- --match recovery   only test files with this in their path
//
// A runtime is what LEVERET_TEST_BUN, LEVERET_TEST_DENO or LEVERET_TEST_NODE_22 names, else the installed one, else what
// PATH has. The broker is chosen as `npm test` does it: AMQP_URL, else a RabbitMQ node of our own, else the embedded one
// alone. What a runtime is known not to do is listed, with the reason, in test/support/runtimes/known-failures.mjs.
// The output ends with one line for each runtime: `bun 1.2.3: N passed, N failed, N known, N skipped, N.N s`.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { constants, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { knownFailures } from '../test/support/runtimes/known-failures.mjs';
import { findProgram, installProgram, versionOf } from '../test/support/runtimes/programs.mjs';
import { prepareStage, suiteFolders } from '../test/support/runtimes/stage.mjs';
import { isRabbitmqInstalled, startRabbitmqNode } from './rabbitmq-node.mjs';
import { isOpensslInstalled, makeCertificates } from './test-certificates.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stage = join(root, 'build', 'runtimes');
const programs = join(root, 'build', 'runtime-programs');
/** For one test file, in milliseconds: tests have limits of their own, this ends a runtime that hangs. */
const fileLimit = 180_000;
/** How long a process may take to end by itself once its tests are over and everything they opened is closed. */
const endLimit = 10_000;

/** The arguments before the program's own file; all runtimes run the same files. */
const runtimes = {
  // The control: what fails here too is no runtime's limit. It runs only where it is named.
  node: ['--disable-warning=ExperimentalWarning'],
  bun: [],
  // Packages come from the node_modules that are there; permissions are not what is tested.
  deno: ['run', '--allow-all', '--quiet', '--no-lock', '--node-modules-dir=manual'],
};

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    install: { type: 'boolean', default: false },
    node: { type: 'string', default: '' },
    match: { type: 'string', default: '' },
  },
});
const nodeVersions = options.node.split(',').filter(Boolean);
const names = positionals.length > 0 ? positionals : nodeVersions.length > 0 ? [] : ['bun', 'deno'];
const unknown = [
  ...names.filter((name) => !(name in runtimes)),
  ...nodeVersions.filter((version) => !/^\d+$/.test(version)),
];
if (unknown.length > 0) {
  console.error(`test:runtimes: unknown: ${unknown.join(', ')} (there are bun, deno, node and --node MAJOR,MAJOR)`);
  process.exit(2);
}

const environment = { ...process.env };
let broker;
let running;
let interruptedBy;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interruptedBy = signal;
    running?.kill('SIGKILL');
  });
}
process.on('exit', () => broker?.stopNow());

function say(text) {
  console.error(text);
}

async function programOf(key) {
  if (key === 'node') return process.execPath;
  let program = findProgram(key, programs);
  if (program === undefined && options.install) {
    say(`installing ${key} from npm`);
    program = await installProgram(key, programs);
  }
  if (program === undefined) say(`${key}: not found; --install fetches it from npm`);
  return program;
}

/** Runs a program to its end, or ends it: after `limit` milliseconds, or when it lives on long after `isDone()`. */
function runProgram(program, args, { cwd, limit, isDone = () => false, output = 'pipe', env = environment }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', output, output] });
    running = child;
    let text = '';
    let reason;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk) => (text = (text + chunk).slice(-50_000)));
    }
    const end = (why) => {
      reason ??= why;
      child.kill('SIGKILL');
    };
    const limitTimer = setTimeout(end, limit, `did not end within ${limit / 1000} s`);
    let doneAt;
    const watch = setInterval(() => {
      if (doneAt === undefined && isDone()) doneAt = Date.now();
      if (doneAt !== undefined && Date.now() - doneAt > endLimit) {
        end(`was still running ${endLimit / 1000} s after its last test: something was left open`);
      }
    }, 250);
    const stopWatching = () => {
      clearTimeout(limitTimer);
      clearInterval(watch);
      running = undefined;
    };
    child.once('error', (error) => {
      stopWatching();
      reject(error);
    });
    child.once('close', (code, signal) => {
      stopWatching();
      resolve({ status: code ?? 128 + (constants.signals[signal] ?? 0), text, reason });
    });
  });
}

/** One test file in a process of its own, as Jest would have it. Answers its tests; a file that fails is one failed test. */
async function runFile(name, program, file, reportFile) {
  await rm(reportFile, { force: true });
  const args = [...runtimes[name], join(stage, 'test/support/runtimes/run-file.js'), join(stage, file), reportFile];
  const isDone = () => existsSync(reportFile);
  const { status, text, reason } = await runProgram(program, args, { cwd: stage, limit: fileLimit, isDone });
  const report = await readFile(reportFile, 'utf8').then(JSON.parse, () => undefined);
  const tests = report?.tests ?? [];
  const broken = (what, errors) => tests.push({ name: `(${what})`, status: 'failed', errors });
  if (report === undefined) broken('the file ran no test', [`${reason ?? `exit status ${status}`}\n${text}`]);
  else if (reason !== undefined || status !== 0)
    broken('the process', [`${reason ?? `exit status ${status}`}\n${text}`]);
  if (report?.errors.length > 0) broken('errors outside tests', report.errors);
  return tests;
}

function indent(text) {
  return text.replaceAll(/^/gm, '    ');
}

/** The whole suite on one runtime. A known failure that happens is counted apart; one that does not is a failure. */
async function runSuite(name, version, program, files, temporary) {
  const started = Date.now();
  const totals = { passed: 0, failed: 0, known: 0, skipped: 0 };
  const known = knownFailures.filter((entry) => entry.runtime === name);
  for (const file of files) {
    if (interruptedBy !== undefined) break;
    const tests = await runFile(name, program, file, join(temporary, 'report.json'));
    const source = file.replace(/\.js$/, '.ts');
    for (const { name: testName, status, errors } of tests) {
      const entry = known.find((one) => one.file === source && one.test === testName);
      if (entry === undefined) totals[status] += 1;
      if (entry === undefined && status === 'failed')
        say(`${name}: FAILED ${source}: ${testName}\n${indent(errors.join('\n'))}`);
      if (entry !== undefined && status === 'failed') {
        totals.known += 1;
        say(`${name}: known ${source}: ${testName}\n    ${entry.reason}`);
      }
      if (entry?.mayPass && status === 'passed') totals.passed += 1;
      else if (entry !== undefined && status === 'passed') {
        totals.failed += 1;
        say(`${name}: FAILED ${source}: ${testName}\n    passes now: take it off the known failures (${entry.reason})`);
      }
    }
    const count = (status) => tests.filter((test) => test.status === status).length;
    say(`${name}: ${source}: ${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`);
    for (const entry of known.filter((one) => one.file === source)) {
      // Where a broker or certificates are missing, a skipped test stands for those that it lacks.
      if (tests.some((test) => test.name === entry.test || test.status === 'skipped')) continue;
      totals.failed += 1;
      say(`${name}: FAILED ${source}: no test is called "${entry.test}", which is a known failure`);
    }
  }
  return { title: `${name} ${version}`, totals, seconds: (Date.now() - started) / 1000 };
}

/** The same tests under Jest, on another version of Node.js. */
async function runJest(program, version, temporary) {
  const started = Date.now();
  const reportFile = join(temporary, 'jest.json');
  await rm(reportFile, { force: true });
  const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
  const folders = suiteFolders.filter((folder) => existsSync(join(root, folder)));
  const patterns = options.match === '' ? folders : folders.map((folder) => `${folder}/.*${options.match}`);
  const args = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', jest, ...patterns];
  const env = { ...environment, NODE_OPTIONS: `${environment.NODE_OPTIONS ?? ''} --experimental-vm-modules` };
  const reportArguments = ['--json', '--outputFile', reportFile, '--passWithNoTests'];
  const limit = 10 * 60_000;
  const { status } = await runProgram(program, [...args, ...reportArguments], {
    cwd: root,
    limit,
    output: 'inherit',
    env,
  });
  const report = await readFile(reportFile, 'utf8').then(JSON.parse, () => undefined);
  const totals = {
    passed: report?.numPassedTests ?? 0,
    failed: (report?.numFailedTests ?? 0) + (report?.numRuntimeErrorTestSuites ?? 0),
    known: 0,
    skipped: (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0),
  };
  if (status !== 0 && totals.failed === 0) totals.failed = 1;
  return { title: `node ${version}`, totals, seconds: (Date.now() - started) / 1000 };
}

/** The environment that test.mjs describes. */
async function chooseBroker(certificates) {
  if (!environment.LEVERET_TEST_TLS_DIRECTORY && (await isOpensslInstalled())) {
    await makeCertificates(certificates);
    environment.LEVERET_TEST_TLS_DIRECTORY = certificates;
  }
  if (environment.AMQP_URL) {
    // Never the whole URL: it holds a password.
    say(`broker: ${new URL(environment.AMQP_URL).host} from AMQP_URL`);
  } else if (isRabbitmqInstalled()) {
    broker = startRabbitmqNode({ certificates: environment.LEVERET_TEST_TLS_DIRECTORY });
    const { url, tlsUrl, version, control } = await broker.ready;
    if (tlsUrl !== undefined) environment.LEVERET_TEST_AMQPS_URL = tlsUrl;
    Object.assign(environment, {
      AMQP_URL: url,
      LEVERET_TEST_RABBITMQCTL: control,
      LEVERET_TEST_BROKER_VERSION: version,
    });
    say(`broker: RabbitMQ ${version}, our own node`);
  } else {
    say('broker: NO RABBITMQ, the embedded broker alone; tests of real behaviour are skipped');
  }
}

const temporary = await mkdtemp(join(tmpdir(), 'leveret-runtimes-'));
const results = [];
let missing = 0;
try {
  let files = [];
  if (names.length > 0) {
    const built = spawnSync(process.execPath, [join(root, 'scripts', 'build.mjs'), 'esm'], {
      cwd: root,
      stdio: 'inherit',
    });
    if (built.status !== 0) throw new Error('the build failed');
    files = (await prepareStage(root, stage)).filter((file) => file.includes(options.match));
    say(`${files.length} test files, laid out in ${relative(process.cwd(), stage)}`);
  }
  await chooseBroker(join(temporary, 'certificates'));
  for (const key of [...names, ...nodeVersions.map((version) => `node@${version}`)]) {
    if (interruptedBy !== undefined) break;
    const program = await programOf(key);
    if (program === undefined) {
      missing += 1;
      continue;
    }
    const version = versionOf(program);
    const isNode = key.startsWith('node@');
    results.push(
      isNode ? await runJest(program, version, temporary) : await runSuite(key, version, program, files, temporary),
    );
  }
} catch (error) {
  say(`test:runtimes: ${error.message}`);
  missing += 1;
} finally {
  await broker?.stop();
  await rm(temporary, { recursive: true, force: true });
}
if (interruptedBy !== undefined) say(`test:runtimes: interrupted by ${interruptedBy}`);
for (const { title, totals, seconds } of results) {
  const { passed, failed, known, skipped } = totals;
  console.log(
    `${title}: ${passed} passed, ${failed} failed, ${known} known, ${skipped} skipped, ${seconds.toFixed(1)} s`,
  );
}
const isGood = ({ totals }) => totals.failed === 0 && totals.passed > 0;
process.exitCode = interruptedBy
  ? 128 + constants.signals[interruptedBy]
  : missing === 0 && results.every(isGood)
    ? 0
    : 1;
