/** What the transport's suites share: a logger that remembers, applications that are closed after each test. */
import { Logger, Module, type INestMicroservice, type LoggerService, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern as NestEventPattern } from '@nestjs/microservices';
import { connect, type Channel, type Connection } from 'leveret/amqp';
import { AmqpClient, AmqpServer, type AmqpClientOptions, type AmqpServerOptions } from 'leveret';

/** Under strict types, Nest 12's own takes only methods with exactly one parameter. */
export const EventPattern: (pattern: string) => MethodDecorator = NestEventPattern;

export class MemoryLogger implements LoggerService {
  readonly errors: string[] = [];
  readonly warnings: string[] = [];
  readonly lines: string[] = [];

  log(message: unknown): void {
    this.lines.push(textOf(message));
  }
  error(message: unknown): void {
    this.errors.push(textOf(message));
  }
  warn(message: unknown): void {
    this.warnings.push(textOf(message));
  }
  debug(): void {}
  verbose(): void {}
}

function textOf(message: unknown): string {
  return message instanceof Error ? `${message.name}: ${message.message}` : JSON.stringify(message);
}

/** Everything a test opened; closed in reverse order. */
export class Bench {
  logger = new MemoryLogger();
  #closers: (() => Promise<unknown>)[] = [];
  #broker: Promise<Connection> | undefined;

  constructor(private readonly url: () => string) {}

  begin(): void {
    this.logger = new MemoryLogger();
    Logger.overrideLogger(this.logger);
  }

  async end(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
    this.#broker = undefined;
  }

  closeLater(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  /** A microservice with these controllers behind an AmqpServer. */
  async serve(
    controllers: Type[],
    options: AmqpServerOptions,
  ): Promise<{ app: INestMicroservice; server: AmqpServer }> {
    // What is not about retries sees a failure settled at once.
    const server = new AmqpServer({ url: this.url(), ...options, ack: { retry: 0, ...options.ack } });
    const app = await this.serveBy(controllers, { strategy: server });
    return { app, server };
  }

  async serveBy(controllers: Type[], options: object): Promise<INestMicroservice> {
    @Module({ controllers })
    class App {}
    const app = await NestFactory.createMicroservice(App, { ...options, logger: this.logger } as never);
    this.closeLater(() => app.close());
    await app.listen();
    return app;
  }

  client(options: AmqpClientOptions): AmqpClient {
    const client = new AmqpClient({ url: this.url(), ...options });
    this.closeLater(() => client.close());
    return client;
  }

  /** A plain channel with confirms, to look at the broker and to play a foreign sender. */
  async channel(): Promise<Channel> {
    this.#broker ??= connect(this.url());
    const connection = await this.#broker;
    this.closeLater(() => connection.close());
    return connection.openChannel({ confirm: true });
  }

  /** A queue that goes when the test ends. */
  async deleteLater(...queues: string[]): Promise<void> {
    const url = this.url();
    // First in, last out: after the services are gone.
    this.#closers.unshift(async () => {
      const connection = await connect(url);
      const channel = await connection.openChannel();
      for (const queue of queues) await channel.queueDelete(queue);
      await connection.close();
    });
  }
}
