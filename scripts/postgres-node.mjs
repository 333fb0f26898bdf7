// A PostgreSQL server of our own for one test run: own data, own loopback port, no service of the system. PostgreSQL refuses
// to run as root, so that its programs are run as `postgres` then, whom the package makes.
import { execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePortsForServers } from './rabbitmq-node.mjs';

const run = promisify(execFile);
const root = '/usr/lib/postgresql';
const startLimit = 30_000;
const stopLimit = 10_000;
const user = 'leveret';

const isRoot = process.getuid?.() === 0;

/** The folder of its programs, of the newest version; Debian has them in no path. */
function programs() {
  const versions = existsSync(root) ? readdirSync(root) : [];
  const found = versions
    .sort((one, other) => Number(other) - Number(one))
    .map((version) => join(root, version, 'bin'))
    .find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
  return found;
}

export function isPostgresInstalled() {
  return programs() !== undefined;
}

/** A program and its arguments, as whoever may run PostgreSQL. */
function asOrdinaryUser(program, programArguments) {
  return isRoot
    ? ['setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', '--', program, ...programArguments]]
    : [program, programArguments];
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const hasEnded = (child) => child.exitCode !== null || child.signalCode !== null;

async function ended(child, limit) {
  if (hasEnded(child)) return true;
  return await Promise.race([
    new Promise((resolve) => child.once('exit', () => resolve(true))),
    // Not a reason to keep this process alive.
    new Promise((resolve) => setTimeout(resolve, limit, false).unref()),
  ]);
}

/** The first bytes of a session: 'R' says that it would go on, 'E' that it starts or stops still. */
async function accepts(port) {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => end(false));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
    socket.once('data', (data) => end(data[0] === 'R'.charCodeAt(0)));
    socket.once('connect', () => {
      const parameters = Buffer.from(`user\0${user}\0database\0postgres\0\0`);
      const head = Buffer.alloc(8);
      head.writeInt32BE(parameters.length + 8, 0);
      head.writeInt32BE(3 << 16, 4);
      socket.write(Buffer.concat([head, parameters]));
    });
  });
}

/**
 * Starts the server and resolves once it accepts connections. `stop` may be called at any moment, also before that, and more
 * than once; `stopNow` is for process 'exit' handlers, which cannot wait. For tests of faults, once `ready`: `halt` ends the
 * server and all of its sessions, `kill` does not even that in order, `start` starts it again with its data, `freeze` and
 * `thaw` send SIGSTOP and SIGCONT to the server alone, so that who connects waits.
 */
export function startPostgresNode() {
  let directory;
  let server;
  let stopping;
  let startServer;

  // The server leads a group of its own, so that a Ctrl-C at a terminal reaches the tests first.
  const signal = (name) => {
    if (server === undefined || hasEnded(server)) return;
    try {
      process.kill(-server.pid, name);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  };
  const stop = () => {
    stopping ??= (async () => {
      signal('SIGCONT');
      // SIGQUIT, to the one process, is its immediate shutdown: nobody wants the data any more.
      if (server !== undefined && !hasEnded(server)) server.kill('SIGQUIT');
      if (server !== undefined && !(await ended(server, stopLimit))) signal('SIGKILL');
      if (directory !== undefined) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    })();
    return stopping;
  };

  const launch = async () => {
    const folder = programs();
    if (folder === undefined) throw new Error('PostgreSQL is not installed');
    directory = await mkdtemp(join(tmpdir(), 'leveret-postgres-'));
    if (isRoot) {
      const { stdout } = await run('id', ['-u', 'postgres']);
      const { stdout: group } = await run('id', ['-g', 'postgres']);
      await chown(directory, Number(stdout), Number(group));
    }
    const [port] = await freePortsForServers(1);
    const data = join(directory, 'data');
    const initArguments = ['-D', data, '-U', user, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
    const options = { cwd: directory, env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' } };
    await run(...asOrdinaryUser(join(folder, 'initdb'), initArguments), options);
    const settings = [
      `listen_addresses = '127.0.0.1'`,
      `port = ${port}`,
      `unix_socket_directories = '${directory}'`,
      'max_connections = 200',
      // As a real one: what it confirmed is on the disk. Only the caches are small.
      `shared_buffers = '64MB'`,
      'max_prepared_transactions = 0',
      `log_min_messages = 'warning'`,
      '',
    ].join('\n');
    await writeFile(join(data, 'postgresql.auto.conf'), settings);
    startServer = async () => {
      let output = '';
      server = spawn(...asOrdinaryUser(join(folder, 'postgres'), ['-D', data]), {
        ...options,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      for (const stream of [server.stdout, server.stderr]) {
        stream.setEncoding('utf8').on('data', (text) => (output = (output + text).slice(-10_000)));
      }
      server.once('error', (error) => (output += error.message));
      const deadline = Date.now() + startLimit;
      for (;;) {
        if (stopping !== undefined) throw new Error('stopped');
        if (hasEnded(server)) throw new Error(`PostgreSQL ended before it accepted connections.\n${output}`);
        if (await accepts(port)) return;
        if (Date.now() > deadline) throw new Error(`PostgreSQL did not start within ${startLimit} ms.\n${output}`);
        await pause(50);
      }
    };
    if (stopping !== undefined) throw new Error('stopped');
    await startServer();
    return { url: `postgres://${user}@127.0.0.1:${port}/postgres`, port, directory };
  };

  const ready = launch().catch(async (error) => {
    await stop();
    throw error;
  });
  const endServer = async (how) => {
    how();
    if (!(await ended(server, stopLimit))) throw new Error(`PostgreSQL did not end within ${stopLimit} ms`);
  };
  return {
    ready,
    stop,
    stopNow: () => signal('SIGKILL'),
    // SIGINT is its fast shutdown: sessions are ended, the data is in order.
    halt: () => endServer(() => server.kill('SIGINT')),
    kill: () => endServer(() => signal('SIGKILL')),
    start: () => startServer(),
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
  };
}
