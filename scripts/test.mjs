// `npm test`: runs Jest against the best broker there is.
//
//   1. AMQP_URL, where it is set;
//   2. a RabbitMQ node of our own, where RabbitMQ is installed, stopped again whatever happens;
//   3. the embedded broker alone, saying so loudly.
//
// `--embedded` (`npm run test:embedded`) chooses the third, whatever there is.
//
// What the tests find in their environment: AMQP_URL (a real broker; unset in case 3), LEVERET_TEST_RABBITMQCTL (a
// program that runs rabbitmqctl against our own node; case 2 only), LEVERET_TEST_BROKER_VERSION (where the broker says
// it), LEVERET_TEST_POSTGRES_URL (a PostgreSQL server of our own, where one is installed), LEVERET_TEST_TLS_DIRECTORY (a folder with what test-certificates.mjs makes; unset where openssl is missing),
// LEVERET_TEST_AMQPS_URL (the broker's TLS listener, whose certificate is among these; case 2 only) and
// LEVERET_TEST_MANAGEMENT_URL (the broker's management API, with a login; case 2 only). What is set already
// is left as it is: so test-versions.mjs hands over nodes that it started. All other arguments are Jest's. The last line of the output is always `N passed, N failed, N skipped`.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { constants, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import jestConfiguration from '../jest.config.mjs';
import { isPostgresInstalled, startPostgresNode } from './postgres-node.mjs';
import { askVersion, isRabbitmqInstalled, startRabbitmqNode } from './rabbitmq-node.mjs';
import { isOpensslInstalled, makeCertificates } from './test-certificates.mjs';

const isEmbeddedOnly = process.argv.includes('--embedded');
const given = process.argv.slice(2).filter((one) => one !== '--embedded');

/**
 * With a real broker at hand nothing has a reason to be skipped. On the embedded broker alone each suite that only RabbitMQ
 * can serve is one skip, which says so. Raise either only with the reason beside it.
 */
const skipsAllowedInCi = isEmbeddedOnly ? 31 : 0;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const environment = { ...process.env };
let node;
let database;
let jestProcess;
let interruptedBy;

// A signal ends Jest first, then the node, then us: the code below `await runJest()` does that in order.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    const again = interruptedBy !== undefined;
    interruptedBy = signal;
    jestProcess?.kill(again ? 'SIGKILL' : signal);
    if (jestProcess === undefined) void Promise.all([node?.stop(), database?.stop()]);
  });
}
process.on('exit', () => {
  node?.stopNow();
  database?.stopNow();
});

function say(text) {
  console.error(text);
}

function frame(lines) {
  const width = Math.max(...lines.map((line) => line.length));
  const edge = '+'.padEnd(width + 3, '-') + '+';
  say([edge, ...lines.map((line) => `| ${line.padEnd(width)} |`), edge].join('\n'));
}

async function chooseCertificates(directory) {
  if (environment.LEVERET_TEST_TLS_DIRECTORY) return;
  if (await isOpensslInstalled()) {
    await makeCertificates(directory);
    environment.LEVERET_TEST_TLS_DIRECTORY = directory;
    return;
  }
  say('no openssl on this machine: TLS tests that need certificates are skipped (apt-get install openssl)');
}

async function chooseBroker() {
  if (isEmbeddedOnly) {
    delete environment.AMQP_URL;
    say('broker: the embedded one');
    return;
  }
  if (environment.AMQP_URL) {
    const url = new URL(environment.AMQP_URL);
    const version = url.protocol === 'amqp:' ? await versionOf(url) : '';
    if (version) environment.LEVERET_TEST_BROKER_VERSION = version;
    // Never the whole URL: it holds a password.
    say(`broker: ${url.host} from AMQP_URL${version ? `, RabbitMQ ${version}` : ''}`);
    return;
  }
  if (isRabbitmqInstalled()) {
    const started = Date.now();
    node = startRabbitmqNode({ certificates: environment.LEVERET_TEST_TLS_DIRECTORY });
    const { url, tlsUrl, managementUrl, version, control, name } = await node.ready;
    environment.AMQP_URL = url;
    if (tlsUrl !== undefined) environment.LEVERET_TEST_AMQPS_URL = tlsUrl;
    environment.LEVERET_TEST_MANAGEMENT_URL = managementUrl;
    environment.LEVERET_TEST_RABBITMQCTL = control;
    if (version) environment.LEVERET_TEST_BROKER_VERSION = version;
    say(
      `broker: RabbitMQ ${version}, our own node ${name}, started in ${((Date.now() - started) / 1000).toFixed(1)} s`,
    );
    return;
  }
  frame([
    'NO RABBITMQ: only the embedded broker is used.',
    '',
    'AMQP_URL is not set and RabbitMQ is not installed on this machine. Tests of',
    'real broker behaviour (test/integration, test/conformance, test/chaos) are',
    'skipped, or run against the embedded broker where it can serve.',
    '',
    'To run all of them: apt-get install rabbitmq-server, or set AMQP_URL.',
  ]);
}

/** Only these files, and those in these folders, need PostgreSQL. */
const databaseTests = [
  'test/nest/once',
  'test/samples/shop.test.ts',
  'test/chaos/once-crashes.test.ts',
  'test/chaos/once-server-away.test.ts',
];

/** Where nothing of what is run needs one, a second is saved. */
async function mayNeedDatabase() {
  const patterns = given.filter((one) => !one.startsWith('-'));
  const listed = databaseTests.map(async (one) =>
    one.endsWith('.ts') ? [one] : (await readdir(join(root, one))).map((name) => join(one, name)),
  );
  const files = (await Promise.all(listed)).flat().map((file) => join(root, file));
  return patterns.length === 0 || patterns.some((pattern) => files.some((file) => new RegExp(pattern).test(file)));
}

async function chooseDatabase() {
  if (environment.LEVERET_TEST_POSTGRES_URL) {
    say(`database: ${new URL(environment.LEVERET_TEST_POSTGRES_URL).host} from LEVERET_TEST_POSTGRES_URL`);
  } else if (isPostgresInstalled()) {
    if (!(await mayNeedDatabase())) return;
    const started = Date.now();
    database = startPostgresNode();
    environment.LEVERET_TEST_POSTGRES_URL = (await database.ready).url;
    say(`database: PostgreSQL, our own server, started in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  } else {
    frame([
      'NO POSTGRESQL: tests of what is done once only are skipped where they need it.',
      '',
      'LEVERET_TEST_POSTGRES_URL is not set and PostgreSQL is not installed on this machine.',
      'To run all of them: apt-get install postgresql.',
    ]);
  }
}

async function versionOf(url) {
  try {
    return await askVersion(url.hostname.replace(/^\[|\]$/g, ''), Number(url.port || 5672));
  } catch (error) {
    say(`broker: ${url.host} did not answer: ${error.message}`);
    return '';
  }
}

/**
 * The arguments of Jest's runs. All tests (`npm test`, with `--coverage` or without) run several files at a time, and after
 * them, by itself, the one that stops the broker for everybody. Other arguments (a file) mean one run, file by file unless
 * they say otherwise.
 */
function jestRuns() {
  const isAll = given.every((one) => one === '--coverage');
  if (!isAll) return [given.some((one) => /^(-w|--maxWorkers)/.test(one)) ? given : ['--runInBand', ...given]];
  const alone = 'test/integration/client/blocked\\.test\\.ts$';
  const ignored = [...jestConfiguration.testPathIgnorePatterns, alone].flatMap((one) => [
    '--testPathIgnorePatterns',
    one,
  ]);
  // Tests wait for much: three keep two cores at work. What is measured does not, and its processes are begun anew now and
  // then, since modules are never let go, and a heap of gigabytes stops the world for a second at a time.
  const workers = given.length > 0 ? ['--maxWorkers=2', '--workerIdleMemoryLimit=1GB'] : ['--maxWorkers=3'];
  return [[...workers, ...given, ...ignored], [alone]];
}

async function runJest(jestArguments) {
  return await new Promise((resolve, reject) => {
    jestProcess = spawn(process.execPath, [jest, ...jestArguments], {
      cwd: root,
      env: environment,
      stdio: 'inherit',
    });
    jestProcess.once('error', reject);
    jestProcess.once('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}

function readReport(report) {
  return report.testResults.map((suite) => {
    const file = relative(root, suite.name);
    const result = { file, passed: 0, failed: [], skipped: [] };
    for (const test of suite.assertionResults) {
      if (test.status === 'passed') result.passed += 1;
      else if (test.status === 'failed') result.failed.push(`${file}: ${test.fullName}`);
      else result.skipped.push(`${file}: ${test.fullName}${test.status === 'todo' ? ' (to do)' : ''}`);
    }
    // A file that could not be loaded has run no test, and is one failure all the same.
    if (suite.status === 'failed' && result.failed.length === 0) result.failed.push(`${file}: the file itself`);
    return result;
  });
}

/** @returns what each file came to, or nothing where Jest left no report. */
async function runAndRead(jestArguments) {
  const reportFile = join(temporary, `report-${reports++}.json`);
  exitCode = (await runJest([...jestArguments, '--json', '--outputFile', reportFile])) || exitCode;
  const report = await readFile(reportFile, 'utf8').then(JSON.parse, () => undefined);
  if (report !== undefined) return readReport(report);
  say('test: Jest left no report');
  exitCode ||= 1;
  return undefined;
}

/**
 * A machine that others share may starve a test of its time. In CI up to this many files that failed run once more, alone;
 * what passes then is named as unsteady, for somebody to mend. More than these have another cause.
 */
const filesTriedAgain = 2;

async function isCoverageEnough() {
  const { coverageDirectory, coverageThreshold } = jestConfiguration;
  const summary = JSON.parse(await readFile(join(root, coverageDirectory, 'coverage-summary.json'), 'utf8'));
  return summary.total.lines.pct >= coverageThreshold.global.lines;
}

async function tryAgain(files) {
  const failed = [...files.values()].filter((one) => one.failed.length > 0);
  if (!environment.CI || failed.length === 0 || failed.length > filesTriedAgain || interruptedBy !== undefined) return;
  const again = failed.map((one) => `${one.file.replaceAll('.', '\\.')}$`);
  say(['', 'Failed, and tried again alone:', ...failed.flatMap((one) => one.failed)].join('\n'));
  const before = exitCode;
  exitCode = 0;
  const results = await runAndRead(['--runInBand', ...again]);
  for (const result of results ?? []) files.set(result.file, result);
  if (exitCode !== 0) exitCode = before;
  else if (given.includes('--coverage') && !(await isCoverageEnough())) {
    exitCode = before;
    say('test: fewer lines are covered than jest.config.mjs asks for');
  } else {
    frame(['UNSTEADY: failed at first, passed alone. Mend these:', ...failed.flatMap((one) => one.failed)]);
  }
}

const temporary = await mkdtemp(join(tmpdir(), 'leveret-test-'));
environment.NODE_OPTIONS = `${environment.NODE_OPTIONS ?? ''} --experimental-vm-modules --disable-warning=ExperimentalWarning`;
const totals = { passed: 0, failed: 0, skipped: 0 };
let exitCode = 0;
let reports = 0;
try {
  await chooseCertificates(join(temporary, 'certificates'));
  await chooseBroker();
  await chooseDatabase();
  const files = new Map();
  for (const jestArguments of jestRuns()) {
    if (interruptedBy !== undefined) break;
    const results = await runAndRead(jestArguments);
    if (results === undefined) break;
    for (const result of results) files.set(result.file, result);
  }
  await tryAgain(files);
  const failed = [...files.values()].flatMap((one) => one.failed);
  const skipped = [...files.values()].flatMap((one) => one.skipped);
  for (const { passed } of files.values()) totals.passed += passed;
  totals.failed = failed.length;
  totals.skipped = skipped.length;
  if (skipped.length > 0) say(['', 'Skipped:', ...skipped.map((line) => `  ${line}`)].join('\n'));
  if (failed.length > 0) say(['', 'Failed:', ...failed.map((line) => `  ${line}`)].join('\n'));
  if (totals.failed > 0) exitCode ||= 1;
  if (totals.passed + totals.failed === 0) {
    say('test: no test ran');
    exitCode ||= 1;
  }
  if (environment.CI && totals.skipped > skipsAllowedInCi) {
    say(`test: ${totals.skipped} tests were skipped, and in CI ${skipsAllowedInCi} may be`);
    exitCode ||= 1;
  }
} catch (error) {
  say(`test: ${error.message}`);
  totals.failed += 1;
  exitCode ||= 1;
} finally {
  await Promise.all([node?.stop(), database?.stop()]);
  await rm(temporary, { recursive: true, force: true });
}
if (interruptedBy !== undefined) {
  say(`test: interrupted by ${interruptedBy}`);
  exitCode ||= 128 + constants.signals[interruptedBy];
}
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(exitCode);
