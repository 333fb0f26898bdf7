/** Each service in a process of its own, with the databases in PostgreSQL. */
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { names } from '../names.js';
import type { Databases } from './databases.js';
import { ServiceProcess, type ServiceName } from './service-process.js';
import type { Services } from './services.js';

export interface Surroundings {
  readonly amqpUrl: string;
  readonly databases: Databases;
  readonly providerUrl: string;
}

/** Where the logs of the processes are; kept where the books do not balance. */
export const logFolder = join(tmpdir(), names.run);

export async function removeLogs(): Promise<void> {
  await rm(logFolder, { recursive: true, force: true });
}

export async function startProcesses({ amqpUrl, databases, providerUrl }: Surroundings): Promise<Services> {
  mkdirSync(logFolder);
  const service = (name: ServiceName, environment: Record<string, string> = {}): ServiceProcess =>
    new ServiceProcess(name, {
      environment: { SHOP_RUN: names.run, AMQP_URL: amqpUrl, ...environment },
      log: join(logFolder, `${name}.log`),
    });
  const processes = {
    gateway: service('gateway'),
    orders: service('orders', { DATABASE_URL: databases.urlOf('orders') }),
    mail: service('mail', { DATABASE_URL: databases.urlOf('mail'), MAIL_PROVIDER_URL: providerUrl }),
  };
  const all = Object.values(processes);
  for (const one of all) one.start();
  const services: Services = {
    address: () => processes.gateway.address,
    kill: (name) => processes[name].kill(),
    start: (name) => {
      processes[name].start();
    },
    areStarted: async () => {
      await Promise.all(all.map((one) => one.isStarted()));
    },
    stop: async () => {
      await Promise.all(all.map((one) => one.stop()));
    },
    problems: () => all.flatMap(({ problems }) => problems),
  };
  try {
    await services.areStarted();
  } catch (error) {
    await services.stop();
    throw error;
  }
  return services;
}
