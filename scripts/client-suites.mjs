// Runs the public suites of other clients against the embedded broker, as `npx leveret broker` starts it.
//
//   npm run build:esm && node scripts/client-suites.mjs DIRECTORY [NAME...]
//
// DIRECTORY holds checkouts of the clients, by the names below, whose dependencies are installed (`npm ci --ignore-scripts`).
// Nothing of theirs is ours or committed. Each has the broker's address in its source: ports 5672 and 5671 must be free, so
// run it in a network namespace of its own (`unshare --net`, then `ip link set lo up`) where they are not.
// The whole output of each suite is kept in DIRECTORY/NAME.txt; printed is one line each. Exit code 1: one failed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EmbeddedBroker } from '../dist/esm/broker/index.js';
import { makeCertificates } from './test-certificates.mjs';

const filesOf = (directory, pattern) => readdirSync(directory).filter((name) => pattern.test(name));

/** `command` is given the checkout; `total` finds what the suite says of itself at its end. */
const suites = {
  amqplib: {
    command: () => [process.execPath, '--test', '--test-timeout=5000'],
    total: /^# (pass|fail|skipped) \d+/gm,
  },
  'node-rabbitmq-client': {
    command: (checkout) => [
      ...[process.execPath, '-r', 'ts-node/register', '--test'],
      ...filesOf(join(checkout, 'test'), /\.ts$/).map((name) => join('test', name)),
    ],
    total: /^# (pass|fail|skipped) \d+/gm,
  },
  'amqp-client.js': {
    command: () => ['npx', 'vitest', 'run', '--fileParallelism=false', '--no-color'],
    total: /^ +Tests .*/gm,
  },
  // Debian: python3-pytest, python3-gevent, python3-tornado, python3-twisted; python3 in the path may be another.
  pika: {
    command: (checkout) => [
      ...['/usr/bin/python3', '-m', 'pytest', '-q', '-o', 'addopts='],
      ...filesOf(join(checkout, 'tests', 'acceptance'), /_tests?\.py$/).map((name) =>
        join('tests', 'acceptance', name),
      ),
    ],
    total: /^\d+ (passed|failed).*/gm,
  },
};

const [directory, ...asked] = process.argv.slice(2);
if (directory === undefined) {
  console.error('usage: node scripts/client-suites.mjs DIRECTORY [NAME...]');
  process.exit(2);
}
const names = asked.length > 0 ? asked : Object.keys(suites);
const temporary = await mkdtemp(join(tmpdir(), 'leveret-client-suites-'));
const root = dirname(dirname(fileURLToPath(import.meta.url)));
let exitCode = 0;
for (const name of names) {
  const checkout = resolve(directory, name);
  if (suites[name] === undefined || !existsSync(checkout)) {
    console.log(`${name}: ${suites[name] === undefined ? 'unknown' : 'no checkout'}`);
    exitCode = 1;
    continue;
  }
  const { code, total } = await withBrokers(() => runSuite(checkout, suites[name]));
  exitCode ||= code === 0 ? 0 : 1;
  console.log(`${name}: ${total || 'no total found'}${code === 0 ? '' : `, exit code ${code}`}`);
}
await rm(temporary, { recursive: true });
process.exitCode = exitCode;

/** New brokers for each suite: the program, and beside it one on the other loopback address and one that serves TLS. */
async function withBrokers(action) {
  await makeCertificates(temporary);
  const [cert, key] = await Promise.all(['server.pem', 'server.key'].map((name) => readFile(join(temporary, name))));
  const program = spawn(process.execPath, [join(root, 'dist/esm/cli/main.js'), 'broker', '--port', '5672'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(program, 'exit');
  await Promise.race([once(program.stdout, 'data'), ended.then(() => Promise.reject(new Error('port 5672 is taken')))]);
  const others = [
    await EmbeddedBroker.start({ port: 5672, host: '::1' }),
    await EmbeddedBroker.start({ port: 5671, tls: { cert, key } }),
  ];
  try {
    return await action();
  } finally {
    program.kill();
    await Promise.all([ended, ...others.map((broker) => broker.stop())]);
  }
}

async function runSuite(checkout, { command, total }) {
  const [file, ...options] = command(checkout);
  const log = createWriteStream(`${checkout}.txt`);
  const url = 'amqp://guest:guest@127.0.0.1:5672';
  const child = spawn(file, options, {
    cwd: checkout,
    env: { ...process.env, RABBITMQ_URL: url },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const [code] = await once(child, 'close');
  log.end();
  await once(log, 'close');
  const found = readFileSync(`${checkout}.txt`, 'utf8').match(total) ?? [];
  return { code, total: found.map((line) => line.replace(/^[# ]+/, '').replaceAll(/ +/g, ' ')).join(', ') };
}
