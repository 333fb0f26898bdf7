import { Injectable } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import { Ack, AmqpContext, Consume } from 'leveret';
import { Ledger } from './ledger.js';
import { names } from './names.js';

@Injectable()
export class DeadLettersConsumer {
  constructor(private readonly ledger: Ledger) {}

  /** What is in here could not be read as an order, so nothing is read: the bytes are counted as they came. */
  @Consume({ queue: names.deadLetters, exchange: names.deadLetterExchange, body: 'bytes', parking: false })
  @Ack({ then: 'requeue' })
  onDeadLetter(_body: Buffer, @Ctx() context: AmqpContext): void {
    this.ledger.addDeadLetter(context.getProperties().messageId ?? 'without an id');
  }
}
