// A RabbitMQ node of our own for one test run: own name, ports, data and Erlang port mapper, so that it neither
// disturbs nor needs a broker that this machine may already run. It works for root and for an ordinary user, because
// it starts RabbitMQ's own program rather than the distribution's wrapper (which insists on root and on its own folders).
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const programs = '/usr/lib/rabbitmq/bin';
const startLimit = 90_000;
const stopLimit = 20_000;

export function isRabbitmqInstalled() {
  return existsSync(join(programs, 'rabbitmq-server'));
}

/** Ports that nobody listens on now, held together while they are chosen so that they differ. */
export async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * Free ports from below the range that systems give to outgoing connections: while a node is down for a moment, nobody
 * takes its port, and no client that tries to reach it is connected to itself.
 */
export async function freePortsForServers(count) {
  const isFree = (port) =>
    new Promise((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
  const ports = new Set();
  while (ports.size < count) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}

/**
 * Says the protocol header to a broker and reads the version out of its first frame (connection.start carries it among
 * the server properties). Resolves with '' when something else than AMQP 0-9-1 answers, rejects when nobody does.
 */
export function askVersion(host, port, limit = 2_000) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let received = Buffer.alloc(0);
    const finish = (settle, value) => {
      socket.destroy();
      settle(value);
    };
    socket.setTimeout(limit, () => finish(reject, new Error(`no answer within ${limit} ms`)));
    socket.once('error', (error) => finish(reject, error));
    socket.once('close', () => reject(new Error('closed before an answer')));
    socket.once('connect', () => socket.write('AMQP\0\0\x09\x01', 'latin1'));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      // A frame: type, channel (2), size (4), payload, end. connection.start is the only frame sent unasked.
      if (received.length < 7 || received.length < received.readUInt32BE(3) + 8) return;
      // A table entry: name length, name, 'S', value length (4), value.
      const name = received.indexOf('\x07versionS', 0, 'latin1');
      if (name < 0) return finish(resolve, '');
      const length = received.readUInt32BE(name + 9);
      finish(resolve, received.toString('utf8', name + 13, name + 13 + length));
    });
  });
}

/**
 * rabbitmq.conf for the TLS tests: a TLS listener with the certificates of test-certificates.mjs, logins by client
 * certificate (plugin rabbitmq_auth_mechanism_ssl) and RabbitMQ's own mechanism with a challenge.
 */
export function tlsConfiguration(port, certificates) {
  return [
    `listeners.ssl.default = 127.0.0.1:${port}`,
    `ssl_options.cacertfile = ${certificates}/ca.pem`,
    `ssl_options.certfile = ${certificates}/server.pem`,
    `ssl_options.keyfile = ${certificates}/server.key`,
    'ssl_options.verify = verify_peer',
    'ssl_options.fail_if_no_peer_cert = false',
    'ssl_cert_login_from = common_name',
    ...['PLAIN', 'AMQPLAIN', 'EXTERNAL', 'RABBIT-CR-DEMO'].map((name, at) => `auth_mechanisms.${at + 1} = ${name}`),
    '',
  ].join('\n');
}

/** What `tlsConfiguration` needs. */
export const tlsPlugins = ['rabbitmq_auth_mechanism_ssl'];

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

/** Sends a signal to every process of a group that we lead; a group that is gone already is what we wanted. */
function signalGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** rabbitmq.conf for the management API, for tests of what it tells. It costs no measurable time at the start. */
export function managementConfiguration(port) {
  return `management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = ${port}\n`;
}

/** What `managementConfiguration` needs. */
export const managementPlugins = ['rabbitmq_management'];

/**
 * Starts the node and resolves once it accepts AMQP connections, and HTTP for its management API; where a folder with
 * certificates is given, it has a TLS listener too. `stop` may be called at any moment, also before that,
 * and more than once; `stopNow` is for process 'exit' handlers, which cannot wait. `configuration` is more of
 * rabbitmq.conf. For tests of faults, once `ready`: `halt` stops the server in order, `kill` does not, `start` starts it
 * again with its data, `freeze` and `thaw` send SIGSTOP and SIGCONT.
 */
export function startRabbitmqNode({ certificates, configuration = '' } = {}) {
  const children = [];
  let directory;
  let stopping;
  /** Set once everything that a server needs is there; starts it and resolves when it accepts. */
  let startServer;

  const stop = () => {
    stopping ??= (async () => {
      const [portMapper, server] = children;
      if (server !== undefined) {
        // The Erlang VM answers SIGTERM with an orderly stop, if it is not frozen.
        signalGroup(server, 'SIGCONT');
        signalGroup(server, 'SIGTERM');
        if (!(await ended(server, stopLimit))) console.error('rabbitmq: the node did not stop in time, killing it');
        signalGroup(server, 'SIGKILL');
      }
      if (portMapper !== undefined) {
        portMapper.kill('SIGKILL');
        await ended(portMapper, 2_000);
      }
      if (directory !== undefined) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    })();
    return stopping;
  };
  const stopNow = () => {
    const [portMapper, server] = children;
    if (server !== undefined && !hasEnded(server)) signalGroup(server, 'SIGKILL');
    if (portMapper !== undefined && !hasEnded(portMapper)) portMapper.kill('SIGKILL');
  };

  const launch = async () => {
    directory = await mkdtemp(join(tmpdir(), 'leveret-rabbitmq-'));
    const [port, tlsPort, managementPort, distributionPort, mapperPort] = await freePortsForServers(5);
    const name = `leveret-${process.pid}@localhost`;
    const at = (path) => join(directory, path);
    await mkdir(at('data'));
    await mkdir(at('config.d'));
    const tls = certificates === undefined ? '' : tlsConfiguration(tlsPort, certificates);
    const management = managementConfiguration(managementPort);
    await writeFile(
      at('rabbitmq.conf'),
      `log.console = false\nlog.file.level = info\n${management}${tls}${configuration}`,
    );
    await writeFile(at('rabbitmq-env.conf'), '');
    const plugins = [...managementPlugins, ...(tls === '' ? [] : tlsPlugins)];
    await writeFile(at('enabled_plugins'), `[${plugins.join(',')}].\n`);
    const environment = {
      // The Erlang cookie lives in HOME: with one of its own, this node can join no other by accident.
      HOME: directory,
      PATH: `${programs}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      LANG: 'C.UTF-8',
      ERL_EPMD_ADDRESS: '127.0.0.1',
      ERL_EPMD_PORT: String(mapperPort),
      RABBITMQ_NODENAME: name,
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(distributionPort),
      RABBITMQ_MNESIA_BASE: at('data'),
      RABBITMQ_LOG_BASE: at('log'),
      RABBITMQ_CONF_ENV_FILE: at('rabbitmq-env.conf'),
      RABBITMQ_CONFIG_FILE: at('rabbitmq.conf'),
      RABBITMQ_CONFIG_FILES: at('config.d'),
      RABBITMQ_ADVANCED_CONFIG_FILE: at('advanced.config'),
      RABBITMQ_GENERATED_CONFIG_DIR: at('config'),
      RABBITMQ_ENABLED_PLUGINS_FILE: at('enabled_plugins'),
      RABBITMQ_PID_FILE: at('node.pid'),
      // Without it a shell would stay between us and the Erlang VM, and be the one to get our signals.
      RUNNING_UNDER_SYSTEMD: 'true',
      // Idle schedulers that spin would take the processor from the tests.
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+sbwt none +sbwtdcpu none +sbwtdio none',
    };
    // A program of its own, so that a test needs to know one path rather than a dozen variables.
    const exports = Object.entries(environment).map(([key, value]) => `export ${key}='${value}'`);
    const control = at('rabbitmqctl');
    await writeFile(
      control,
      ['#!/bin/sh', '# Runs rabbitmqctl against this node.', ...exports, 'exec rabbitmqctl "$@"', ''].join('\n'),
    );
    await chmod(control, 0o755);

    if (stopping !== undefined) throw new Error('stopped');
    // Started by us in the foreground, the port mapper is a child that we can end; left to Erlang it would stay behind.
    children[0] = spawn('epmd', ['-port', String(mapperPort), '-address', '127.0.0.1'], {
      env: environment,
      stdio: 'ignore',
    });
    children[0].once('error', () => {});
    startServer = async () => {
      let output = '';
      const server = spawn(join(programs, 'rabbitmq-server'), [], {
        cwd: directory,
        env: environment,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      children[1] = server;
      for (const stream of [server.stdout, server.stderr]) {
        stream.setEncoding('utf8').on('data', (text) => (output = (output + text).slice(-20_000)));
      }
      server.once('error', (error) => (output += error.message));

      const deadline = Date.now() + startLimit;
      for (;;) {
        if (stopping !== undefined) throw new Error('stopped');
        if (hasEnded(server)) break;
        const version = await askVersion('127.0.0.1', port).catch(() => undefined);
        if (version !== undefined) return version;
        if (Date.now() > deadline) break;
        await pause(100);
      }
      const log = await readFile(join(directory, 'log', `${name}.log`), 'utf8').catch(() => '');
      const reason = hasEnded(server)
        ? 'ended before it accepted connections'
        : `did not start within ${startLimit} ms`;
      throw new Error(`RabbitMQ ${reason}.\n${output}\n${log.slice(-10_000)}`);
    };
    const version = await startServer();
    const login = 'guest:guest@127.0.0.1';
    const tlsUrl = certificates === undefined ? undefined : `amqps://${login}:${tlsPort}`;
    // RabbitMQ listens for AMQP when all plugins run.
    const managementUrl = `http://${login}:${managementPort}`;
    return { url: `amqp://${login}:${port}`, tlsUrl, managementUrl, version, control, name, directory };
  };

  const ready = launch().catch(async (error) => {
    await stop();
    throw error;
  });
  const endServer = async (signal) => {
    const server = children[1];
    signalGroup(server, signal);
    if (!(await ended(server, stopLimit))) throw new Error(`RabbitMQ did not end within ${stopLimit} ms of ${signal}`);
    // Helpers of the Erlang VM would hold its files.
    signalGroup(server, 'SIGKILL');
  };
  return {
    ready,
    stop,
    stopNow,
    halt: () => endServer('SIGTERM'),
    kill: () => endServer('SIGKILL'),
    start: () => startServer(),
    freeze: () => signalGroup(children[1], 'SIGSTOP'),
    thaw: () => signalGroup(children[1], 'SIGCONT'),
  };
}
