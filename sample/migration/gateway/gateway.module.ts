import { Module, type DynamicModule } from '@nestjs/common';
import { ClientsModule } from '@nestjs/microservices';
import { names } from '../names.js';
import type { Wiring } from '../wiring/wiring.js';
import { GatewayService, mailForGateway, ordersForGateway } from './gateway.service.js';

@Module({})
export class GatewayModule {
  static on(wiring: Wiring): DynamicModule {
    return {
      module: GatewayModule,
      imports: [
        ClientsModule.register([
          wiring.client(ordersForGateway, names.orders),
          wiring.client(mailForGateway, names.mail),
        ]),
      ],
      providers: [GatewayService],
    };
  }
}
