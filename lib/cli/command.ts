/** What a command of the command line is. */

/** Runs with the arguments after its name; a rejection ends the program with one line on stderr. */
export type Command = (options: string[]) => Promise<void>;

/** A failure with its exit code: 2 for a wrong call, 1 for anything else. */
export class CommandError extends Error {
  constructor(
    readonly exitCode: 1 | 2,
    message: string,
  ) {
    super(message);
    this.name = 'CommandError';
  }
}

/** What `parseArgs` refused, in one line. */
export function wrongCall(error: unknown): string {
  const text = messageOf(error);
  const option = /--[\w-]+/.exec(text)?.[0];
  if (option !== undefined && /argument (is ambiguous|missing)/.test(text)) return `${option} needs a value`;
  if (option !== undefined && text.includes('does not take an argument')) return `${option} takes no value`;
  return text.split(/\. |\n/)[0] ?? '';
}

/** What an error says, whichever realm it is of. */
export function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}
