/** The progress bar, and lines that appear above it. Where there is no terminal: plain lines, now and then. */
import { isatty } from 'node:tty';
import { ConsoleLogger, Injectable } from '@nestjs/common';
import cliProgress from 'cli-progress';

const output = process.stdout;

export class Progress {
  // A MultiBar, though it holds one: a SingleBar puts the cursor back to where it started, over lines printed since.
  readonly #bars = new cliProgress.MultiBar({
    format: '{bar} {percentage} % | {value} of {total} orders | {confirmed} confirmed',
    stream: output,
    hideCursor: true,
    forceRedraw: true,
    noTTYOutput: true,
    notTTYSchedule: 500,
  });
  readonly #bar: cliProgress.SingleBar;

  constructor(total: number) {
    this.#bar = this.#bars.create(total, 0, { confirmed: 0 });
  }

  show(done: number, confirmed: number): void {
    this.#bar.update(done, { confirmed });
  }

  stop(): void {
    this.#bars.stop();
  }
}

/** Prints a line without the remains of a bar in it. */
export function say(line: string): void {
  clearBar();
  console.log(line);
}

/** Nest's logger, for warnings and errors that nobody expects. */
@Injectable()
export class QuietLogger extends ConsoleLogger {
  constructor() {
    super({ logLevels: ['warn', 'error', 'fatal'], colors: isatty(1) });
  }

  /** The malformed lines are malformed on purpose: a line for each would hide the rest. */
  override error(message: unknown, ...rest: unknown[]): void {
    if (String(message).endsWith('(dead-lettered)')) return;
    super.error(message, ...rest);
  }

  protected override printMessages(...messages: Parameters<ConsoleLogger['printMessages']>): void {
    clearBar();
    super.printMessages(...messages);
  }
}

function clearBar(): void {
  if (!output.isTTY) return;
  output.cursorTo(0);
  output.clearLine(0);
}
