import { Injectable } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { Ack, Consume, Idempotent, Transaction } from 'leveret';
import { names } from '../names.js';
import { AcceptedOrder } from '../order.dto.js';
import { retry } from '../retry.js';
import { MailBook } from './mail-book.js';
import { MailProvider } from './mail-provider.js';

@Injectable()
export class MailConsumer {
  constructor(
    private readonly book: MailBook,
    private readonly provider: MailProvider,
  ) {}

  /**
   * That the mail was sent is committed together with the key of the message: it stands in the book once, however often the
   * event comes. To send it is nothing that a transaction could take back: a process that ends between the two lines asks the
   * provider again. What both have in common is the key: the provider is given the order's id, and sends one mail for it.
   */
  @Consume({ queue: names.mail, exchange: names.shop, routingKey: 'order.accepted', prefetch: 10 })
  @Ack({ retry, then: 'park' })
  @Idempotent({ scope: 'mail.confirm' })
  async confirm(@Payload() order: AcceptedOrder, @Transaction() transaction: unknown): Promise<void> {
    await this.provider.send({ to: order.customer, subject: `Your order ${order.id}` }, order.id);
    await this.book.enter(order.id, transaction);
  }
}
