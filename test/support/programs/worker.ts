/**
 * A worker of a fleet, for tests of what a signal does to one under load: it copies each message of QUEUE, by `@Consume`, and
 * each event of EVENTS, by AmqpServer, to COPIES, and takes a moment for it. Says `ready`, then nothing.
 */
import 'reflect-metadata';
import { setTimeout as after } from 'node:timers/promises';
import { Controller, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Payload } from '@nestjs/microservices';
import { AmqpModule, AmqpServer, Consume, InjectPublisher, type Publisher } from '../../../lib/index.js';

const { AMQP_URL: url = '', QUEUE: queue = '', EVENTS: events = '', COPIES: copies = '' } = process.env;

@Injectable()
class Copier {
  constructor(@InjectPublisher() private readonly publisher: Publisher) {}

  @Consume({ queue, prefetch: 20 })
  onMessage(id: unknown): Promise<void> {
    return this.copy(id);
  }

  async copy(id: unknown): Promise<void> {
    await after(Math.random() * 20);
    await this.publisher.publish(copies, id);
    await after(Math.random() * 20);
  }
}

@Controller()
class Events {
  constructor(@InjectPublisher() private readonly publisher: Publisher) {}

  @EventPattern('copied')
  async onEvent(@Payload() id: unknown): Promise<void> {
    await after(Math.random() * 20);
    await this.publisher.publish(copies, id);
    await after(Math.random() * 20);
  }
}

@Module({ imports: [AmqpModule.forRoot({ url })], providers: [Copier], controllers: [Events] })
class Worker {}

const app = await NestFactory.create(Worker, { logger: ['error', 'warn'] });
app.enableShutdownHooks();
app.connectMicroservice({ strategy: new AmqpServer({ url, queue: events, prefetch: 20 }) });
await app.init();
await app.startAllMicroservices();
console.log('ready');
