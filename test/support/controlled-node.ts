/**
 * A real RabbitMQ node of our own that tests may hurt: stop, kill, freeze, and start again with the same data.
 *
 * 3.10 (or what is installed) comes from this machine's own RabbitMQ; other versions from a laboratory, a program that
 * LEVERET_TEST_LAB names or that lies beside the project. Must not know what a test does with the node.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { isRabbitmqInstalled, startRabbitmqNode } from '../../scripts/rabbitmq-node.mjs';

const run = promisify(execFile);
const outputLimit = 64 * 1024 * 1024;

/** The version that is made of this machine's own RabbitMQ. */
export const ownVersion = '3.10';

export interface ControlledNode {
  /** With the login of guest; the same over all restarts. */
  readonly url: string;
  /** As asked for. */
  readonly version: string;
  /** rabbitmqctl with these arguments; resolves with its standard output. */
  control(...commandArguments: string[]): Promise<string>;
  /** An orderly stop of the whole node. */
  stop(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
  /** Again, after `stop` or `kill`, with its data; resolves when it accepts connections. */
  start(): Promise<void>;
  /** SIGSTOP: its sockets stay open and nothing comes. */
  freeze(): Promise<void>;
  /** SIGCONT. */
  thaw(): Promise<void>;
  /** Ends it in whatever state it is, and drops its data. */
  dispose(): Promise<void>;
}

function laboratory(): string {
  return process.env['LEVERET_TEST_LAB'] ?? resolve(import.meta.dirname, '..', '..', '..', 'shared', 'rabbitmq', 'lab');
}

/** Why there can be no node of that version on this machine; undefined where there can. */
export function whyNoControlledNode(version: string = ownVersion): string | undefined {
  if (version === ownVersion) {
    return isRabbitmqInstalled() ? undefined : 'RabbitMQ is not installed on this machine';
  }
  return existsSync(laboratory()) ? undefined : 'there is no laboratory of RabbitMQ versions (LEVERET_TEST_LAB)';
}

/** Starts one; `configuration` is more of rabbitmq.conf. */
export async function startControlledNode(version: string = ownVersion, configuration = ''): Promise<ControlledNode> {
  const reason = whyNoControlledNode(version);
  if (reason !== undefined) throw new Error(reason);
  return version === ownVersion ? await startOwn(configuration) : await startInLaboratory(version, configuration);
}

async function startOwn(configuration: string): Promise<ControlledNode> {
  const node = startRabbitmqNode({ configuration });
  const stopNow = (): void => {
    node.stopNow();
  };
  process.on('exit', stopNow);
  const { url, control } = await node.ready;
  return {
    url,
    version: ownVersion,
    control: async (...commandArguments) =>
      (await run(control, ['-q', ...commandArguments], { maxBuffer: outputLimit })).stdout,
    stop: () => node.halt(),
    kill: () => node.kill(),
    start: async () => {
      await node.start();
    },
    freeze: async () => {
      node.freeze();
    },
    thaw: async () => {
      node.thaw();
    },
    dispose: async () => {
      process.off('exit', stopNow);
      await node.stop();
    },
  };
}

let laboratoryNodes = 0;

async function startInLaboratory(version: string, configuration: string): Promise<ControlledNode> {
  const program = laboratory();
  laboratoryNodes += 1;
  const name = `chaos-${version.replace('.', '-')}-${String(process.pid)}-${String(laboratoryNodes)}`;
  const port = await laboratoryPort();
  const directory = await mkdtemp(join(tmpdir(), 'leveret-node-'));
  const file = join(directory, 'rabbitmq.conf');
  await writeFile(file, `log.console = false\n${configuration}`);
  const lab = async (...commandArguments: string[]): Promise<string> =>
    (await run(program, commandArguments, { maxBuffer: outputLimit })).stdout;
  try {
    await lab('start', name, String(port), version, file);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return {
    url: `amqp://guest:guest@127.0.0.1:${String(port)}`,
    version,
    control: (...commandArguments) => lab('ctl', name, ...commandArguments),
    stop: async () => {
      await lab('stop', name);
    },
    kill: async () => {
      await lab('kill', name);
    },
    start: async () => {
      await lab('restart', name);
    },
    freeze: async () => {
      await lab('pause', name);
    },
    thaw: async () => {
      await lab('resume', name);
    },
    dispose: async () => {
      await lab('resume', name).catch(() => undefined);
      await lab('wipe', name);
    },
  };
}

/**
 * A port that is free now, with those that a laboratory makes of it; all below the range of outgoing connections, of which
 * one could take it while the node is down.
 */
async function laboratoryPort(): Promise<number> {
  for (;;) {
    const port = 6_000 + 10 * Math.floor(Math.random() * 400);
    const free = await Promise.all([port, port + 10_000, port + 20_000].map(isFree));
    if (free.every(Boolean)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolveFree) => {
    const server = createServer();
    server.once('error', () => {
      resolveFree(false);
    });
    server.listen(port, '127.0.0.1', () =>
      server.close(() => {
        resolveFree(true);
      }),
    );
  });
}
