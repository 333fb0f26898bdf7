/** What is published to the shop's exchange: the routing keys, and what a message of each holds. */
import type { OrderDto } from './order.dto.js';

export interface OrderEvents {
  'order.placed': OrderDto;
  'order.cancelled': { readonly id: string };
}
