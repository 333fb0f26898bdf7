import { Module, ValidationPipe, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_PIPE } from '@nestjs/core';
import { AmqpModule } from 'leveret';
import { AmqpErrorFilter } from '../../shared/amqp-error.filter.js';
import { names } from '../names.js';
import { ArticlesController } from './articles.controller.js';
import { OrdersController } from './orders.controller.js';
import { ParkedController } from './parked.controller.js';

@Module({})
export class GatewayModule {
  static on(amqpUrl: string): DynamicModule {
    return {
      module: GatewayModule,
      imports: [AmqpModule.forRoot({ url: amqpUrl, exchanges: [{ name: names.shop, type: 'topic' }] })],
      controllers: [OrdersController, ArticlesController, ParkedController],
      providers: [
        { provide: APP_PIPE, useValue: new ValidationPipe({ transform: true, whitelist: true }) },
        { provide: APP_FILTER, useClass: AmqpErrorFilter },
      ],
    };
  }
}
