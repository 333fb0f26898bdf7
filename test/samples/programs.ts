/**
 * Runs the programs of a sample folder as what they are: processes of their own that must exit by themselves.
 *
 * Library and samples are compiled once into a folder of their own, where the samples find the library as an installed
 * package: a process then starts in a tenth of a second, which it would not with a TypeScript loader.
 */
import { transform } from '@swc/core';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A program that runs, or has run. */
export class Program {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | string>;
  #output = '';
  #waiting: (() => void)[] = [];

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    const keep = (chunk: Buffer): void => {
      this.#output += chunk.toString();
      this.#wake();
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    this.#exit = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        resolve(code ?? signal ?? 'gone');
        this.#wake();
      });
    });
  }

  /** Everything it has printed so far. */
  get output(): string {
    return this.#output;
  }

  /** Resolves once the text was printed `times` times; rejects when the program ends or ten seconds pass without. */
  async says(text: string, times = 1): Promise<void> {
    const deadline = AbortSignal.timeout(10_000);
    deadline.addEventListener('abort', () => {
      this.#wake();
    });
    while (this.#output.split(text).length <= times) {
      if (deadline.aborted || this.#hasEnded) {
        throw new Error(`${this.name} did not say "${text}" ${String(times)} times, but: ${this.#output}`);
      }
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** Ctrl-C. */
  interrupt(): void {
    this.#child.kill('SIGINT');
  }

  /** Everything it printed, once it ended by itself with success; rejects when it did not within ten seconds. */
  async ends(): Promise<string> {
    const timer = setTimeout(() => {
      this.#child.kill('SIGKILL');
    }, 10_000);
    const status = await this.#exit;
    clearTimeout(timer);
    if (status !== 0) throw new Error(`${this.name} ended with ${String(status)}: ${this.#output}`);
    return this.#output;
  }

  /** For what a failed test left running. */
  async stop(): Promise<void> {
    if (!this.#hasEnded) this.#child.kill('SIGKILL');
    await this.#exit.catch(() => undefined);
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** The programs of `sample/<folder>`, compiled. */
export class Programs {
  readonly #directory: string;
  readonly #started: Program[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async compile(folder: string): Promise<Programs> {
    const directory = await mkdtemp(join(tmpdir(), 'leveret-samples-'));
    const library = join(directory, 'node_modules', 'leveret');
    await Promise.all([
      compileFolder(join(root, 'lib', 'amqp'), join(library, 'amqp')),
      compileFolder(join(root, 'sample', folder), directory),
    ]);
    const exported = { name: 'leveret', type: 'module', exports: { './amqp': './amqp/index.js' } };
    await writeFile(join(library, 'package.json'), JSON.stringify(exported));
    await writeFile(join(directory, 'package.json'), JSON.stringify({ type: 'module' }));
    return new Programs(directory);
  }

  /** Starts a program as a user would, with AMQP_URL in its environment. */
  start(name: string, url: string, ...programArguments: string[]): Program {
    const environment: NodeJS.ProcessEnv = { ...process.env, AMQP_URL: url, NODE_OPTIONS: '' };
    const command = ['--unhandled-rejections=strict', join(this.#directory, `${name}.js`), ...programArguments];
    const child = spawn(process.execPath, command, { cwd: this.#directory, env: environment });
    const program = new Program(name, child);
    this.#started.push(program);
    return program;
  }

  /** Runs a program that ends by itself; what it printed. */
  async run(name: string, url: string, ...programArguments: string[]): Promise<string> {
    return this.start(name, url, ...programArguments).ends();
  }

  /** Ends what still runs. */
  async stop(): Promise<void> {
    await Promise.all(this.#started.splice(0).map((program) => program.stop()));
  }

  /** Ends what still runs, and removes the folder. */
  async dispose(): Promise<void> {
    await this.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function compileFolder(from: string, to: string): Promise<void> {
  const names = (await readdir(from, { recursive: true })).filter((name) => name.endsWith('.ts'));
  await Promise.all(
    names.map(async (name) => {
      const { code } = await transform(await readFile(join(from, name), 'utf8'), {
        module: { type: 'es6' },
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      });
      const file = join(to, name.replace(/\.ts$/, '.js'));
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, code);
    }),
  );
}
