#!/usr/bin/env node
/**
 * `npx leveret`: finds the command and runs it.
 *
 * Each command is loaded only when it is asked for, so that none pays for another's imports.
 */
import { CommandError, type Command } from './command.js';
import { version } from './version.js';

const commands: Readonly<Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>> = {
  broker: {
    summary: 'start the embedded broker, until Ctrl-C',
    load: async () => (await import('./commands/broker.js')).brokerCommand,
  },
  topology: {
    summary: 'hold a definitions file against a broker: plan, apply, drift',
    load: async () => (await import('./commands/topology.js')).topologyCommand,
  },
};

function usage(): string {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`);
  return `Usage: leveret <command> [options]\n\nCommands:\n${lines.join('\n')}\n\nleveret <command> --help tells its options.\n`;
}

async function run(name: string | undefined, options: string[]): Promise<void> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    (name === undefined ? process.stderr : process.stdout).write(usage());
    process.exitCode = name === undefined ? 2 : 0;
    return;
  }
  if (name === '--version') {
    process.stdout.write(`${version}\n`);
    return;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    throw new CommandError(2, `unknown command "${name}"; there is: ${Object.keys(commands).join(', ')}`);
  }
  await (
    await command.load()
  )(options);
}

const [name, ...options] = process.argv.slice(2);
// No top-level await: the package is built as CommonJS too.
run(name, options).catch((error: unknown) => {
  const exitCode = error instanceof CommandError ? error.exitCode : 1;
  process.stderr.write(`leveret: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = exitCode;
});
