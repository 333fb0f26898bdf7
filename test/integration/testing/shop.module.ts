/** A shop as an application would have it: it knows nothing of tests, and its broker is nowhere. */
import { Controller, Injectable, Module, Get } from '@nestjs/common';
import { ClientsModule, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { Ack, AmqpClient, AmqpModule, Consume, InjectPublisher, Publisher } from 'leveret';

const url = 'amqp://shop:secret@broker.invalid:5672/shop';

export interface Order {
  readonly id: string;
  readonly amount: number;
}

export class OutOfStock extends Error {}
export class Unpayable extends Error {}

export class Unreachable extends Error {}

@Injectable()
export class Orders {
  readonly seen: Order[] = [];
  /** What happens to orders, in place of what a test does not care for. */
  work: (order: Order) => unknown = () => undefined;

  constructor(@InjectPublisher({ exchange: 'shop' }) private readonly shop: Publisher) {}

  @Consume({ exchange: 'shop', routingKey: 'order.created', queue: 'orders', deadLetter: { exchange: 'dead' } })
  @Ack({
    retry: 0,
    then: 'park',
    errors: [
      [OutOfStock, { then: 'dead-letter' }],
      [Unpayable, { then: 'requeue' }],
      [Unreachable, { retry: { attempts: 2, delay: 50 } }],
    ],
  })
  async onOrder(order: Order): Promise<void> {
    await this.work(order);
    this.seen.push(order);
    await this.shop.publish('invoice.created', { order: order.id });
  }
}

@Controller()
export class Stock {
  readonly events: unknown[] = [];

  @Get('stock')
  overHttp(): string {
    return 'not served in these tests';
  }

  @MessagePattern('stock.get')
  get(@Payload() { sku }: { sku: string }): { sku: string; left: number } {
    return { sku, left: 7 };
  }

  @EventPattern('stock.changed')
  onChange(@Payload() change: unknown): void {
    this.events.push(change);
  }
}

@Module({
  imports: [
    AmqpModule.forRoot({
      url,
      exchanges: [
        { name: 'shop', type: 'topic' },
        { name: 'dead', type: 'fanout' },
      ],
      queues: [{ name: 'dead-orders' }, { name: 'invoices' }],
      bindings: [
        { exchange: 'dead', queue: 'dead-orders' },
        { exchange: 'shop', queue: 'invoices', routingKey: 'invoice.*' },
      ],
    }),
    ClientsModule.register([{ name: 'STOCK', customClass: AmqpClient, options: { url, queue: 'stock' } }]),
  ],
  controllers: [Stock],
  providers: [Orders],
})
export class ShopModule {}
