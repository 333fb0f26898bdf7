import { Module, type DynamicModule } from '@nestjs/common';
import { ClientsModule } from '@nestjs/microservices';
import { Books } from '../books.js';
import { names } from '../names.js';
import type { Wiring } from '../wiring/wiring.js';
import { mailForOrders, OrdersController } from './orders.controller.js';

@Module({})
export class OrdersModule {
  static on(books: Books, wiring: Wiring): DynamicModule {
    return {
      module: OrdersModule,
      imports: [ClientsModule.register([wiring.client(mailForOrders, names.mail)])],
      controllers: [OrdersController],
      providers: [{ provide: Books, useValue: books }],
    };
  }
}
