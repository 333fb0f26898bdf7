/** Starts Nest applications for tests, hears what they log, and looks at what they leave on a broker. */
import 'reflect-metadata';
import {
  Injectable,
  Module,
  type INestApplication,
  type LoggerService,
  type ModuleMetadata,
  type NestApplicationOptions,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AmqpModule, Consume, type AmqpModuleOptions, type ConsumeOptions } from 'leveret';
import { connect, type Channel, type Connection, type Delivery } from 'leveret/amqp';

export interface LogLine {
  readonly level: string;
  readonly text: string;
}

/** Keeps the lines in place of printing them. */
export class LogRecorder implements LoggerService {
  readonly lines: LogLine[] = [];
  log = (...values: unknown[]): void => this.#add('log', values);
  error = (...values: unknown[]): void => this.#add('error', values);
  warn = (...values: unknown[]): void => this.#add('warn', values);
  debug = (...values: unknown[]): void => this.#add('debug', values);
  verbose = (...values: unknown[]): void => this.#add('verbose', values);
  fatal = (...values: unknown[]): void => this.#add('fatal', values);

  /** The lines of a level, or of all, as text. */
  texts(level?: string): string[] {
    return this.lines.filter((line) => level === undefined || line.level === level).map(({ text }) => text);
  }

  #add(level: string, values: unknown[]): void {
    this.lines.push({ level, text: values.map(String).join(' ') });
  }
}

export interface StartedApplication {
  readonly app: INestApplication;
  readonly log: LogRecorder;
}

const started: INestApplication[] = [];

/** What is not about retries sees a failure settled at once. */
export const withoutRetries = { ack: { retry: 0 } } as const;

/**
 * An application with one AmqpModule, whose messages are tried again only where the test says so. Rejects with what ended its
 * start. `closeApplications` closes it.
 */
export async function startApplication(
  options: AmqpModuleOptions,
  metadata: ModuleMetadata,
  configure?: (app: INestApplication, log: LogRecorder) => void,
): Promise<StartedApplication> {
  const { ack, ...defaults } = options.defaults ?? {};
  const given = { ...options, defaults: { ...defaults, ack: { ...withoutRetries.ack, ...ack } } };
  return startModule({ ...metadata, imports: [AmqpModule.forRoot(given), ...(metadata.imports ?? [])] }, configure);
}

export async function startModule(
  metadata: ModuleMetadata,
  configure?: (app: INestApplication, log: LogRecorder) => void,
): Promise<StartedApplication> {
  @Module(metadata)
  class TestModule {}
  const log = new LogRecorder();
  const settings: NestApplicationOptions = { abortOnError: false, logger: log };
  const app = await NestFactory.create(TestModule, settings);
  configure?.(app, log);
  started.push(app);
  await app.init();
  return { app, log };
}

/** A provider `Orders` whose `onOrder` consumes, and the payloads that it saw. */
export function recordingConsumer(options: string | ConsumeOptions): { Orders: new () => object; seen: unknown[] } {
  const seen: unknown[] = [];
  @Injectable()
  class Orders {
    @Consume(options)
    onOrder(order: unknown): void {
      seen.push(order);
    }
  }
  return { Orders, seen };
}

/** Once: Nest 11 runs the hooks of a second close too. */
export async function closeApplication(app: INestApplication): Promise<void> {
  const index = started.indexOf(app);
  if (index >= 0) started.splice(index, 1);
  await app.close();
}

export async function closeApplications(): Promise<void> {
  for (const app of [...started]) await closeApplication(app);
}

/** Waits until the function no longer throws, 5 s at most; then throws what it threw. */
export async function eventually(check: () => unknown, limit = 5_000): Promise<void> {
  const deadline = Date.now() + limit;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await pause(10);
    }
  }
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A connection of the test itself. */
export class Bystander {
  #connection: Connection | undefined;
  #channel: Channel | undefined;

  async open(url: string): Promise<void> {
    this.#connection = await connect(url);
    this.#channel = await this.#connection.openChannel({ confirm: true });
    this.#channel.on('lost', () => undefined);
  }

  get channel(): Channel {
    if (!this.#channel) throw new Error('the bystander is not connected');
    return this.#channel;
  }

  /** To a queue; objects as JSON. */
  async send(queue: string, body: unknown, properties: Parameters<Channel['publish']>[3] = {}): Promise<void> {
    const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
    await this.channel.publish('', queue, text, properties, { mandatory: true });
  }

  /** The next message of a queue, within 5 s. */
  async take(queue: string): Promise<Delivery> {
    let got: Delivery | null = null;
    await eventually(async () => {
      got = await this.channel.basicGet(queue, { noAck: true });
      if (!got) throw new Error(`nothing came to ${queue}`);
    });
    return got as unknown as Delivery;
  }

  /** Messages that are ready. */
  async count(queue: string): Promise<number> {
    return (await this.channel.queueDeclare(queue, { passive: true })).messageCount;
  }

  async close(): Promise<void> {
    await this.#connection?.close();
  }
}
