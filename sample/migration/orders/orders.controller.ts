import { setTimeout } from 'node:timers/promises';
import { Controller, Inject } from '@nestjs/common';
import { ClientProxy, Ctx, MessagePattern, Payload, RmqContext } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { acknowledge } from '../acknowledge.js';
import { Books, type Order } from '../books.js';

export interface Receipt {
  readonly id: string;
  readonly invoice: number;
}

/** The client of the mail service. */
export const mailForOrders = Symbol('mail, for orders');

@Controller()
export class OrdersController {
  constructor(
    private readonly books: Books,
    @Inject(mailForOrders) private readonly mail: ClientProxy,
  ) {}

  @MessagePattern('order.place')
  async place(@Payload() order: Order, @Ctx() context: RmqContext): Promise<Receipt> {
    await setTimeout(2);
    const invoice = this.books.placeOrder(order);
    await lastValueFrom(this.mail.emit('order.placed', order), { defaultValue: undefined });
    acknowledge(context);
    return { id: order.id, invoice };
  }
}
