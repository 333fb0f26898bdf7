/** `leveret broker`: serves the embedded broker in the foreground. Loads neither Nest nor the client. */
import { parseArgs } from 'node:util';
import { EmbeddedBroker, type BrokerOptions, type EmulatedVersion } from '../../broker/index.js';
import { CommandError, type Command } from '../command.js';

const help = `Usage: leveret broker [options]

Starts an AMQP 0-9-1 broker for tests and local development: in memory, on one node.
Prints its URL on the first line, and serves until Ctrl-C.

Options:
  --port N        TCP port, 0 for any free one (default 5672)
  --host H        address to listen on (default 127.0.0.1)
  --emulate V     RabbitMQ version to behave as: 3.10 or 4.3 (default 4.3)
  -h, --help      show this
`;

export const brokerCommand: Command = async (options) => {
  const { help: asksForHelp, ...values } = read(options);
  if (asksForHelp) {
    process.stdout.write(help);
    return;
  }
  const broker = await start({
    port: portOf(values.port),
    host: values.host,
    emulate: versionOf(values.emulate),
  });
  process.stdout.write(`${broker.url}\n`);
  await interrupted();
  await broker.stop();
};

function read(options: string[]): { port?: string; host?: string; emulate?: string; help?: boolean } {
  try {
    const { values } = parseArgs({
      args: options,
      options: {
        port: { type: 'string' },
        host: { type: 'string' },
        emulate: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    return values;
  } catch (error) {
    throw new CommandError(
      2,
      `broker: ${error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error)}`,
    );
  }
}

function portOf(text = '5672'): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new CommandError(2, `broker: --port must be a number from 0 to 65535, not "${text}"`);
}

function versionOf(text = '4.3'): EmulatedVersion {
  if (text === '3.10' || text === '4.3') return text;
  throw new CommandError(2, `broker: --emulate must be 3.10 or 4.3, not "${text}"`);
}

async function start(options: BrokerOptions): Promise<EmbeddedBroker> {
  try {
    return await EmbeddedBroker.start(options);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const where = `${options.host ?? '127.0.0.1'}:${String(options.port)}`;
    if (code === 'EADDRINUSE') {
      throw new CommandError(1, `broker: ${where} is taken; choose another with --port, or --port 0 for any free one`);
    }
    if (code === 'EACCES') throw new CommandError(1, `broker: not allowed to listen on ${where}`);
    throw new CommandError(
      1,
      `broker: cannot listen on ${where}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** Resolves at the first SIGINT or SIGTERM. */
function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    const onSignal = (): void => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
