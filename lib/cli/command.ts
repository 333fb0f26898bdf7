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
