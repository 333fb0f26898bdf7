/** Finds and runs programs of other languages. */
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export interface OtherClient {
  readonly name: string;
  /** Where to look, in this order. */
  readonly interpreters: readonly string[];
  /** Arguments with which the interpreter succeeds only where the client is installed. */
  readonly probe: readonly string[];
  readonly program: string;
  /** Debian's packages. */
  readonly packages: string;
}

/** The interpreter that has the client; undefined where there is none. */
export function installed({ interpreters, probe }: Pick<OtherClient, 'interpreters' | 'probe'>): string | undefined {
  return interpreters.find((interpreter) => spawnSync(interpreter, probe, { stdio: 'ignore' }).status === 0);
}

/** Runs a program of `programs/`; `onLine` hears each line of its standard output at once. */
export async function runProgram(
  [interpreter, program, ...options]: readonly [interpreter: string, program: string, ...options: string[]],
  onLine: (line: string) => void,
): Promise<{ code: number | null; lines: string[]; errors: string }> {
  const file = fileURLToPath(new URL(`programs/${program}`, import.meta.url));
  const child = spawn(interpreter, [file, ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject));
  const errors = text(child.stderr);
  const timer = setTimeout(() => child.kill('SIGKILL'), 80_000);
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    lines.push(line);
    onLine(line);
  }
  const code = await ended;
  clearTimeout(timer);
  return { code, lines, errors: await errors };
}

/** Runs a command to its end. */
export async function run(
  command: string,
  options: readonly string[],
  input = '',
): Promise<{ code: number | null; output: string; errors: string }> {
  const child = spawn(command, options);
  const ended = new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject));
  child.stdin.on('error', () => undefined).end(input);
  const [code, output, errors] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code, output, errors };
}
