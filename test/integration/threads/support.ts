/** For tests of threads: worker programs written in TypeScript. */
import { once } from 'node:events';
import { Worker, type MessagePort } from 'node:worker_threads';

const typescriptInWorker = new URL('../../support/typescript-in-worker.mjs', import.meta.url).href;

/** True where these files were compiled before they run, as for the runtimes that Jest does not run on. */
const isCompiled = import.meta.url.endsWith('.js');

/** Node options with which a worker thread runs the sources. */
export const fromSources: readonly string[] = isCompiled ? [] : ['--import', typescriptInWorker];

/** The parameter `ioThread` for tests, which run from the sources. */
export const ioThread = { execArgv: fromSources };

/** Blocks the event loop, as a handler that computes does. */
export function compute(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

/** A program of test/support/programs in a worker thread, which says what happens as messages. */
export class WorkerProgram {
  readonly said: Record<string, unknown>[] = [];
  readonly ended: Promise<unknown>;
  readonly #worker: Worker;
  #failure: unknown;

  constructor(program: string, port: MessagePort, task: Record<string, unknown>) {
    const file = isCompiled ? program.replace(/\.ts$/, '.js') : program;
    this.#worker = new Worker(new URL(`../../support/programs/${file}`, import.meta.url), {
      workerData: { port, ...task },
      transferList: [port],
      execArgv: [...fromSources],
    });
    this.#worker.on('message', (message: Record<string, unknown>) => this.said.push(message));
    this.#worker.on('error', (error) => {
      this.#failure = error;
    });
    this.ended = once(this.#worker, 'exit');
  }

  /** True when it said something of the kind; throws what it crashed with. */
  hasSaid(kind: string): boolean {
    if (this.#failure !== undefined) throw this.#failure as Error;
    return this.said.some((message) => message['kind'] === kind);
  }

  tell(message: unknown): void {
    this.#worker.postMessage(message);
  }

  /** At once, in the middle of whatever it does. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}
