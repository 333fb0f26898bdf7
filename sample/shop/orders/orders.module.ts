import { Module, ValidationPipe, type DynamicModule } from '@nestjs/common';
import { APP_PIPE } from '@nestjs/core';
import { AmqpModule, IdempotencyModule, OutboxModule } from 'leveret';
import { names } from '../names.js';
import { ArticlesConsumer } from './articles.consumer.js';
import { OrderBook, type OrderStorage } from './order-book.js';
import { OrdersConsumer } from './orders.consumer.js';

@Module({})
export class OrdersModule {
  static on(amqpUrl: string, { book, keys, outbox }: OrderStorage): DynamicModule {
    return {
      module: OrdersModule,
      imports: [
        AmqpModule.forRoot({ url: amqpUrl, exchanges: [{ name: names.shop, type: 'topic' }] }),
        IdempotencyModule.forRoot({ store: keys }),
        OutboxModule.forRoot({ store: outbox }),
      ],
      providers: [
        { provide: APP_PIPE, useValue: new ValidationPipe({ transform: true, whitelist: true }) },
        { provide: OrderBook, useFactory: () => book },
        OrdersConsumer,
        ArticlesConsumer,
      ],
    };
  }
}
