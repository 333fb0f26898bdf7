import { Injectable } from '@nestjs/common';
import { Ack, Consume } from 'leveret';
import { Mailbox } from './mailbox.js';
import { names } from './names.js';
import { OrderDto } from './order.dto.js';

@Injectable()
export class MailConsumer {
  constructor(private readonly mailbox: Mailbox) {}

  /** Acknowledged when the mail is written; an order for which that fails is parked in `<queue>.parked`. */
  @Consume({ queue: names.mail, exchange: names.shop, routingKey: 'order.placed', prefetch: 20 })
  @Ack({ then: 'park' })
  async onOrderPlaced(order: OrderDto): Promise<void> {
    await this.mailbox.write(order);
  }
}
