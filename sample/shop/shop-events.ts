/** What is published to the shop's exchange: the routing keys, and what a message of each holds. */
import type { ArticleDto } from './article.dto.js';
import type { AcceptedOrder, PlacedOrder } from './order.dto.js';

export interface ShopEvents {
  /** By the gateway: a customer wants something. */
  'order.placed': PlacedOrder;
  /** By orders, in the transaction that wrote it down: it has a price, and is to be delivered. */
  'order.accepted': AcceptedOrder;
  /** By the gateway, a request: orders puts the article on its list. */
  'article.list': ArticleDto;
}
