import { Body, Controller, Delete, Param, ParseUUIDPipe, Post, UseFilters } from '@nestjs/common';
import { InjectPublisher, Publisher } from 'leveret';
import { AmqpErrorFilter } from '../shared/amqp-error.filter.js';
import { names } from './names.js';
import type { OrderEvents } from './order-events.js';
import { OrderDto } from './order.dto.js';

/** Milliseconds that a customer may wait for the broker. */
const timeout = 5_000;

@Controller('orders')
@UseFilters(AmqpErrorFilter)
export class OrdersController {
  constructor(
    @InjectPublisher({ exchange: names.shop, mandatory: true, timeout }) private readonly shop: Publisher<OrderEvents>,
  ) {}

  /** Answers 201 once the broker has confirmed that it has the order, in a queue; and 503 where it has not. */
  @Post()
  async place(@Body() order: OrderDto): Promise<{ id: string }> {
    await this.shop.publish('order.placed', order, { messageId: order.id });
    return { id: order.id };
  }

  /** No queue takes cancellations yet. Nobody is told that one was accepted: it comes back, and the answer is 503. */
  @Delete(':id')
  async cancel(@Param('id', ParseUUIDPipe) id: string): Promise<void> {
    await this.shop.publish('order.cancelled', { id });
  }
}
