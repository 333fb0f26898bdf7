/** Run by a test as a program of its own: when an application with AmqpTestingModule is closed, nothing keeps the process alive. */
import 'reflect-metadata';
import { Test } from '@nestjs/testing';
import { AmqpServer, type AmqpClient } from 'leveret';
import { AmqpTesting, AmqpTestingModule } from 'leveret/testing';
import { ShopModule } from './shop.module.js';

const testing = AmqpTestingModule.forRoot({ broker: { port: 0 } });
const moduleRef = await Test.createTestingModule({ imports: [ShopModule, testing] }).compile();
const nest = moduleRef.createNestApplication({ logger: false });
nest.connectMicroservice({ strategy: new AmqpServer({ queue: 'stock' }) });
await nest.startAllMicroservices();
await nest.init();
const amqp = nest.get(AmqpTesting);
await nest.get<AmqpClient>('STOCK', { strict: false }).request('stock.get', { sku: 'hay' });
await amqp.publish('shop', 'order.created', { id: 'a', amount: 1 });
console.log(JSON.stringify(await amqp.settled('orders')));
// What waits for its time, and what is lost, must not hold the process either.
amqp.broker.faults.delayConfirms(60_000);
const confirmed = amqp.publish('shop', 'invoice.created', {});
confirmed.catch(() => undefined);
await amqp.idle();
amqp.broker.faults.dropAll();
await nest.close();
