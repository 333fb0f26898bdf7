import { Injectable } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { AmqpContext, Consume, massTransit } from 'leveret';
import { Book } from './book.js';
import { names } from './names.js';
import { readingOf, type Reading } from './reading.js';

@Injectable()
export class WeatherConsumer {
  constructor(private readonly book: Book) {}

  /** In whichever format they come, compressed or not: the handler sees the reading. */
  @Consume({ queue: names.readings, exchange: names.weather, routingKey: 'reading.*', maxDecompressedSize: 100_000 })
  onReading(@Payload() reading: Reading, @Ctx() context: AmqpContext): void {
    const { contentType = '', contentEncoding } = context.getProperties();
    const kind = contentEncoding === undefined ? contentType : `${contentType}, ${contentEncoding}`;
    this.book.note(kind, context.delivery.body.length, reading, readingOf(reading.day));
  }

  /** The type of a message stands in its envelope, and so does the message. */
  @Consume({ queue: names.foreign, layout: massTransit, pattern: 'urn:message:Shop.Contracts:OrderSubmitted' })
  onOrder(@Payload('orderId') orderId: string): void {
    this.book.orders.push(orderId);
  }

  /** What no other handler of the queue takes. */
  @Consume({ queue: names.foreign, layout: massTransit, catchAll: true })
  onAnything(@Ctx() context: AmqpContext): void {
    this.book.unknown.push(context.getPattern());
  }
}
