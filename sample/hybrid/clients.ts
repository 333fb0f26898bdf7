/** The services that this one asks over the broker. Its own warehouse is one of them, and may move out one day. */
import type { DynamicModule } from '@nestjs/common';
import { ClientsModule } from '@nestjs/microservices';
import { AmqpClient } from 'leveret';
import type { Broker } from '../shared/broker.js';
import { names } from './names.js';

export const warehouseClient = Symbol('client of the warehouse');
export const suppliersClient = Symbol('client of the suppliers');

export function registerClients({ url, transport }: Broker): DynamicModule {
  const client = (name: symbol, queue: string) => ({
    name,
    customClass: AmqpClient,
    options: { url, transport, queue },
  });
  return ClientsModule.register([client(warehouseClient, names.warehouse), client(suppliersClient, names.suppliers)]);
}
