import { Module, ValidationPipe, type DynamicModule } from '@nestjs/common';
import { APP_PIPE } from '@nestjs/core';
import { AmqpModule } from 'leveret';
import type { Broker } from '../shared/broker.js';
import { CleanUp } from './clean-up.js';
import { ClosingTime } from './closing-time.js';
import { registerClients } from './clients.js';
import { MailConsumer } from './mail.consumer.js';
import { Mailbox } from './mailbox.js';
import { names } from './names.js';
import { OrdersController } from './orders.controller.js';
import { StockController } from './stock.controller.js';
import { WarehouseController } from './warehouse.controller.js';

@Module({})
export class AppModule {
  static on(broker: Broker): DynamicModule {
    const { url, transport } = broker;
    return {
      module: AppModule,
      imports: [
        AmqpModule.forRoot({ url, transport, exchanges: [{ name: names.shop, type: 'topic' }] }),
        registerClients(broker),
      ],
      controllers: [OrdersController, StockController, WarehouseController],
      providers: [
        { provide: APP_PIPE, useValue: new ValidationPipe({ transform: true, whitelist: true }) },
        { provide: CleanUp, useFactory: () => new CleanUp(broker) },
        ClosingTime,
        MailConsumer,
        Mailbox,
      ],
    };
  }
}
