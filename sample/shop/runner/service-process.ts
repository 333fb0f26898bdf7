/** A service in a process of its own, which can be killed, and is started again then. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export type ServiceName = 'gateway' | 'orders' | 'mail';

/** Milliseconds that a service has to start, and to end once it is told to. */
const startLimit = 60_000;
const stopLimit = 30_000;

export interface ServiceProcessOptions {
  readonly environment: Readonly<Record<string, string>>;
  /** The file that what it prints is added to. */
  readonly log: string;
}

export class ServiceProcess {
  /** What should not have happened to it. */
  readonly problems: string[] = [];
  readonly #name: ServiceName;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #output: number;
  #child: ChildProcess | undefined;
  #started: Promise<void> = Promise.resolve();
  #address: string | undefined;

  constructor(name: ServiceName, { environment, log }: ServiceProcessOptions) {
    this.#name = name;
    this.#environment = { ...process.env, ...environment };
    this.#output = openSync(log, 'a');
  }

  /** Of the latest process that started, where it has one. */
  get address(): string {
    if (this.#address === undefined) throw new Error(`${this.#name} has no address`);
    return this.#address;
  }

  start(): void {
    const program = fileURLToPath(new URL(`../${this.#name}/main.js`, import.meta.url));
    const stdio = ['ignore', this.#output, this.#output, 'ipc'] as const;
    const child = fork(program, { env: this.#environment, stdio: [...stdio] });
    this.#child = child;
    child.once('exit', (code, signal) => {
      // Whoever ends it forgets it first.
      if (this.#child !== child) return;
      this.problems.push(`${this.#name} ended by itself: ${String(signal ?? code)}`);
      this.start();
    });
    this.#started = new Promise((resolve) => {
      child.once('message', ({ address }: { address?: string }) => {
        this.#address = address ?? this.#address;
        resolve();
      });
    });
  }

  /** Resolves when the latest process is at work. */
  async isStarted(): Promise<void> {
    const late = setTimeout(startLimit, undefined, { ref: false }).then(() => {
      throw new Error(`${this.#name} did not start within ${String(startLimit)} ms`);
    });
    let started: Promise<void>;
    do {
      started = this.#started;
      await Promise.race([started, late]);
    } while (started !== this.#started);
  }

  /** SIGKILL: it has no time for anything. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM: it finishes what it has begun. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit').then(() => true);
    child.kill(signal);
    const hasEnded = await Promise.race([ended, setTimeout(stopLimit, false, { ref: false })]);
    if (hasEnded) return;
    this.problems.push(`${this.#name} did not end within ${String(stopLimit)} ms`);
    child.kill('SIGKILL');
    await ended;
  }
}
