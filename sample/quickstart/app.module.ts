import { Module, ValidationPipe, type DynamicModule } from '@nestjs/common';
import { APP_PIPE } from '@nestjs/core';
import { ClientsModule } from '@nestjs/microservices';
import { AmqpClient, AmqpModule } from 'leveret';
import type { Broker } from '../shared/broker.js';
import { DeadLettersConsumer } from './dead-letters.consumer.js';
import { Ledger } from './ledger.js';
import { names } from './names.js';
import { OrdersConsumer } from './orders.consumer.js';
import { ShopPublisher } from './shop.publisher.js';
import { TotalsClient, totalsClient } from './totals.client.js';
import { TotalsController } from './totals.controller.js';

@Module({})
export class AppModule {
  static on({ url, transport }: Broker): DynamicModule {
    return {
      module: AppModule,
      imports: [
        AmqpModule.forRoot({
          url,
          transport,
          exchanges: [
            { name: names.shop, type: 'topic' },
            { name: names.deadLetterExchange, type: 'fanout' },
          ],
        }),
        ClientsModule.register([
          { name: totalsClient, customClass: AmqpClient, options: { url, transport, queue: names.totals } },
        ]),
      ],
      controllers: [TotalsController],
      providers: [
        { provide: APP_PIPE, useValue: new ValidationPipe({ transform: true, forbidUnknownValues: true }) },
        ShopPublisher,
        OrdersConsumer,
        DeadLettersConsumer,
        TotalsClient,
        Ledger,
      ],
    };
  }
}
