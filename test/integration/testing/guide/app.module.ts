/** The application that docs/testing.md tests. What is in the guide stands in here, word for word. */
import { Controller, Injectable, Module } from '@nestjs/common';
import { ClientsModule, MessagePattern, Payload } from '@nestjs/microservices';
import { Ack, AmqpClient, AmqpModule, Consume, InjectPublisher, Publisher } from 'leveret';

export interface Order {
  readonly id: string;
}

export class OutOfStock extends Error {}

/** Talks to machines; a test has another one in its place. */
@Injectable()
export class Warehouse {
  reserve(_order: Order): unknown {
    return undefined;
  }

  ship(_orders: readonly Order[]): unknown {
    return undefined;
  }
}

@Injectable()
export class Orders {
  constructor(
    private readonly warehouse: Warehouse,
    @InjectPublisher({ exchange: 'shop' }) private readonly shop: Publisher,
  ) {}

  @Consume({ exchange: 'shop', routingKey: 'order.created', queue: 'orders' })
  @Ack({
    retry: { attempts: 3, delay: [1_000, 4_000, 16_000] },
    then: 'park',
    errors: [[OutOfStock, { retry: 0, then: 'drop' }]],
  })
  async onOrder(order: Order): Promise<void> {
    await this.warehouse.reserve(order);
    await this.shop.publish('order.reserved', { id: order.id });
  }

  @Consume({ exchange: 'shop', routingKey: 'order.reserved', queue: 'shipments', batch: { size: 3, wait: 300 } })
  async onReserved(orders: Order[]): Promise<void> {
    await this.warehouse.ship(orders);
  }
}

@Controller()
export class Stock {
  @MessagePattern('stock.get')
  get(@Payload() sku: string): { sku: string; left: number } {
    return { sku, left: 7 };
  }
}

const url = 'amqp://rabbitmq.internal';

@Module({
  imports: [
    AmqpModule.forRoot({ url, exchanges: [{ name: 'shop', type: 'topic' }] }),
    ClientsModule.registerAsync([
      { name: 'STOCK', useFactory: () => ({ customClass: AmqpClient, options: { url, queue: 'stock' } }) },
    ]),
  ],
  controllers: [Stock],
  providers: [Orders, Warehouse],
})
export class AppModule {}
