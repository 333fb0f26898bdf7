/** Samples as their commands run them: compiled by the Nest CLI, each in a process of its own. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { connect } from 'leveret/amqp';
import { pause } from './waiting.js';

const root = new URL('../../', import.meta.url);
/** Holds the id of the process that compiles. */
const lock = new URL('build/sample.lock', root);

export interface Outcome {
  readonly status: number;
  /** Its lines. */
  readonly output: string[];
  readonly errors: string;
}

let building: Promise<void> | undefined;

/** Compiles the samples, once for a test file. */
export function buildSample(name: string): Promise<void> {
  building ??= alone(async () => {
    // The CLI has no entry point to be imported: its program is found as its package says.
    const program = createRequire(import.meta.url).resolve('@nestjs/cli/bin/nest.js');
    const { status, output, errors } = await run(program, ['build', name], '');
    if (status !== 0) throw new Error(`nest build failed:\n${output.join('\n')}\n${errors}`);
  });
  return building;
}

export interface SampleOptions {
  /** Which of its programs. Default `main`. */
  readonly program?: string;
  readonly programArguments?: readonly string[];
  /** What it finds in its environment beside AMQP_URL. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs a sample that was built, on the broker of that URI; '' stands for its own embedded one. */
export function runSample(name: string, amqpUrl: string, options: SampleOptions = {}): Promise<Outcome> {
  const { program, programArguments = [], environment } = options;
  return run(programOf(name, program), programArguments, amqpUrl, environment);
}

/** As `runSample`, for what is done to it while it runs. */
export function startSample(name: string, amqpUrl: string, options: SampleOptions = {}): ChildProcess {
  const { program, programArguments = [], environment } = options;
  return spawn(process.execPath, [programOf(name, program), ...programArguments], {
    cwd: root,
    env: environmentWith(amqpUrl, environment),
  });
}

/** The prefix of all that the run declares, which its first line begins with. */
export function runName(firstLine = ''): string {
  const [name] = /^[a-z]+\.[0-9a-f]{8}(?=,)/.exec(firstLine) ?? [];
  if (name === undefined) throw new Error(`there is no name of a run in "${firstLine}"`);
  return name;
}

/** Which of the run's queues are on the broker. */
export async function queuesLeft(url: string, run: string, names: readonly string[]): Promise<string[]> {
  const connection = await connect(url);
  const channel = await connection.openChannel();
  const left: string[] = [];
  for (const name of names) if (await channel.queueExists(`${run}.${name}`)) left.push(name);
  await connection.close();
  return left;
}

function programOf(name: string, program = 'main'): string {
  return fileURLToPath(new URL(`build/sample/${name}/${program}.js`, root));
}

function run(
  program: string,
  programArguments: readonly string[],
  amqpUrl: string,
  environment?: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const options = { cwd: root, env: environmentWith(amqpUrl, environment), timeout: 100_000 };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...programArguments], options, (error, stdout, stderr) => {
      const status = error ? (typeof error.code === 'number' ? error.code : 1) : 0;
      resolve({ status, output: stdout.trimEnd().split('\n'), errors: stderr });
    });
  });
}

function environmentWith(amqpUrl: string, more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, ...environment } = process.env;
  return { ...environment, AMQP_URL: amqpUrl, ...more };
}

/** Test files run beside each other, and all samples are compiled to one folder: one at a time, then. */
async function alone(work: () => Promise<void>): Promise<void> {
  await mkdir(new URL('.', lock), { recursive: true });
  while (!(await hasTaken(lock))) await pause(100);
  try {
    await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function hasTaken(file: URL): Promise<boolean> {
  try {
    await writeFile(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    const holder = Number(await readFile(file, 'utf8').catch(() => '0'));
    if (holder > 0 && !isRunning(holder)) await rm(file, { force: true });
    return false;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
