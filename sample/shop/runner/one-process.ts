/** The short form, for where there is no PostgreSQL: all three services in this process, the books in its memory. */
import { ConsoleLogger, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { GatewayModule } from '../gateway/gateway.module.js';
import { mailInMemory, MemoryMailBook } from '../mail/memory-mail-book.js';
import { MailModule } from '../mail/mail.module.js';
import { MemoryOrderBook, ordersInMemory } from '../orders/memory-order-book.js';
import { OrdersModule } from '../orders/orders.module.js';
import type { Ledgers } from './books.js';
import type { Services } from './services.js';

// What is refused and parked on purpose would fill the screen.
const options = { logger: new ConsoleLogger({ logLevels: ['fatal'] }), abortOnError: false };

export async function startInOneProcess(
  amqpUrl: string,
  providerUrl: string,
): Promise<{ services: Services; ledgers: Ledgers }> {
  const orderBook = new MemoryOrderBook();
  const mailBook = new MemoryMailBook();
  const orders = OrdersModule.on(amqpUrl, ordersInMemory(orderBook));
  const mail = MailModule.on(amqpUrl, mailInMemory(mailBook), providerUrl);
  const gateway = await NestFactory.create(GatewayModule.on(amqpUrl), options);
  const apps: INestApplicationContext[] = [
    gateway,
    await NestFactory.createApplicationContext(orders, options),
    await NestFactory.createApplicationContext(mail, options),
  ];
  await gateway.listen(0, '127.0.0.1');
  const address = await gateway.getUrl();
  return {
    services: {
      address: () => address,
      kill: undefined,
      start: () => undefined,
      areStarted: () => Promise.resolve(),
      stop: async () => {
        for (const app of apps) await app.close();
      },
      problems: () => [],
    },
    ledgers: {
      orders: () => Promise.resolve(orderBook.orders.map(({ id }) => id)),
      mails: () => Promise.resolve(mailBook.orderIds),
    },
  };
}
