import { Body, Controller, HttpCode, HttpStatus, ParseUUIDPipe, Post } from '@nestjs/common';
import { InjectPublisher, Publisher } from 'leveret';
import { names } from '../names.js';
import { OrderDto } from '../order.dto.js';
import type { ShopEvents } from '../shop-events.js';
import { IdempotencyKey } from './idempotency-key.decorator.js';

/** Milliseconds that a customer may wait for the broker. */
const timeout = 5_000;

@Controller('orders')
export class OrdersController {
  constructor(
    @InjectPublisher({ exchange: names.shop, mandatory: true, timeout }) private readonly shop: Publisher<ShopEvents>,
  ) {}

  /**
   * Answers 202 once the broker has confirmed that a durable queue has the order: from then on it cannot be lost. Where it
   * answers 503, or not at all, nobody knows, and the customer sends it again with the same key: that becomes the message id,
   * by which orders knows the repeat.
   */
  @Post()
  @HttpCode(HttpStatus.ACCEPTED)
  async place(@Body() order: OrderDto, @IdempotencyKey(ParseUUIDPipe) id: string): Promise<{ id: string }> {
    const { customer, article, quantity } = order;
    await this.shop.publish('order.placed', { id, customer, article, quantity }, { messageId: id });
    return { id };
  }
}
