/* eslint-disable @typescript-eslint/no-unnecessary-type-arguments -- Nest 12's types, where strict, refuse a second parameter without it */
import { setTimeout } from 'node:timers/promises';
import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, Payload, RmqContext } from '@nestjs/microservices';
import { acknowledge } from '../acknowledge.js';
import { Books, type Order } from '../books.js';

@Controller()
export class MailController {
  constructor(private readonly books: Books) {}

  @EventPattern<string>('order.viewed')
  async onViewed(@Payload() order: Order, @Ctx() context: RmqContext): Promise<void> {
    await this.#write('viewed', order, context);
  }

  @EventPattern<string>('order.placed')
  async onPlaced(@Payload() order: Order, @Ctx() context: RmqContext): Promise<void> {
    await this.#write('placed', order, context);
  }

  async #write(kind: string, order: Order, context: RmqContext): Promise<void> {
    await setTimeout(2);
    this.books.noteEvent(kind, order);
    acknowledge(context);
  }
}
