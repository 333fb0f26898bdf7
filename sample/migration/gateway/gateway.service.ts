import { Inject, Injectable } from '@nestjs/common';
import { ClientProxy } from '@nestjs/microservices';
import { firstValueFrom, lastValueFrom, timeout } from 'rxjs';
import type { Order } from '../books.js';
import type { Receipt } from '../orders/orders.controller.js';

export const ordersForGateway = Symbol('orders, for the gateway');
export const mailForGateway = Symbol('mail, for the gateway');

/** Milliseconds that a visitor may wait. Nest's own transport would wait for ever for a reply that was lost. */
const patience = 1_500;

@Injectable()
export class GatewayService {
  constructor(
    @Inject(ordersForGateway) private readonly orders: ClientProxy,
    @Inject(mailForGateway) private readonly mail: ClientProxy,
  ) {}

  async place(order: Order): Promise<Receipt> {
    return firstValueFrom(this.orders.send<Receipt>('order.place', order).pipe(timeout(patience)));
  }

  async view(order: Order): Promise<void> {
    await lastValueFrom(this.mail.emit('order.viewed', order), { defaultValue: undefined });
  }
}
