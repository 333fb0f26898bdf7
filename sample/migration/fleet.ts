/**
 * Three services: visitors ask the gateway, the gateway asks orders, and both send events to mail. Each is a Nest
 * application of its own; that they share a process makes it one command, and is nothing they make use of.
 */
import { setTimeout } from 'node:timers/promises';
import type { DynamicModule, INestApplicationContext, LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { Books } from './books.js';
import { GatewayModule } from './gateway/gateway.module.js';
import { GatewayService } from './gateway/gateway.service.js';
import { MailModule } from './mail/mail.module.js';
import { names } from './names.js';
import { OrdersModule } from './orders/orders.module.js';
import type { Wiring } from './wiring/wiring.js';

/** Milliseconds for which a service is away when it is replaced. */
const deploymentTime = 200;

export type ServiceName = 'mail' | 'orders' | 'gateway';

interface Service {
  readonly app: INestApplicationContext;
  readonly wiring: Wiring;
  /** Calls that it has not answered. */
  callsUnderWay: number;
}

export class Fleet {
  readonly #books: Books;
  readonly #logger: LoggerService;
  readonly #services = new Map<ServiceName, Service>();

  constructor(books: Books, logger: LoggerService) {
    this.#books = books;
    this.#logger = logger;
  }

  /** Which service runs on which transport. */
  get description(): string {
    return [...this.#services].map(([name, { wiring }]) => `${name} on ${wiring.title}`).join(', ');
  }

  async start(name: ServiceName, wiring: Wiring): Promise<void> {
    this.#services.set(name, { app: await this.#boot(name, wiring), wiring, callsUnderWay: 0 });
  }

  /** The service stops and its successor starts; meanwhile its messages wait in the queue. */
  async replace(name: ServiceName, wiring: Wiring): Promise<void> {
    const old = this.#services.get(name);
    if (name === 'gateway') {
      // It is called by people, who do not wait in a queue: the new one is there before the old one goes.
      await this.start(name, wiring);
      while (old && old.callsUnderWay > 0) await setTimeout(5);
      await old?.app.close();
    } else {
      await old?.app.close();
      await setTimeout(deploymentTime);
      await this.start(name, wiring);
    }
  }

  /** Calls the gateway that runs at this moment. */
  async call<T>(use: (gateway: GatewayService) => Promise<T>): Promise<T> {
    const service = this.#services.get('gateway');
    if (!service) throw new Error('no gateway was started');
    service.callsUnderWay += 1;
    try {
      return await use(service.app.get(GatewayService));
    } finally {
      service.callsUnderWay -= 1;
    }
  }

  async stop(): Promise<void> {
    for (const { app } of [...this.#services.values()].reverse()) await app.close();
    this.#services.clear();
  }

  /** What would be `main.ts` of the service. */
  #boot(name: ServiceName, wiring: Wiring): Promise<INestApplicationContext> {
    switch (name) {
      case 'mail':
        return this.#serve(MailModule.on(this.#books), wiring.server(names.mail));
      case 'orders':
        return this.#serve(OrdersModule.on(this.#books, wiring), wiring.server(names.orders));
      case 'gateway':
        return NestFactory.createApplicationContext(GatewayModule.on(wiring), this.#applicationOptions);
    }
  }

  async #serve(module: DynamicModule, server: MicroserviceOptions): Promise<INestApplicationContext> {
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(module, {
      ...server,
      ...this.#applicationOptions,
    });
    await app.listen();
    return app;
  }

  get #applicationOptions(): { logger: LoggerService; abortOnError: false } {
    return { logger: this.#logger, abortOnError: false };
  }
}
