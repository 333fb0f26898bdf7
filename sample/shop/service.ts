/** What the three processes have in common: where they find what they need, how they log, and how they tell who started them. */
import { ConsoleLogger } from '@nestjs/common';

/** Throws where the variable is not set. */
export function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`the environment variable ${name} is not set`);
  return value;
}

/** Of NestFactory: a start that fails ends the process with its error. */
export const serviceOptions = {
  logger: new ConsoleLogger({ logLevels: ['log', 'warn', 'error', 'fatal'], colors: false }),
  abortOnError: false,
};

/** The service is there, and is reached under the address, where it has one; it ends when who started it is gone. */
export function tellStarted(address?: string): void {
  if (!process.send) return;
  process.send({ address });
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
}
