/** Run by a test as a program of its own: when the application is closed, nothing keeps the process alive. */
import 'reflect-metadata';
import { testApplication } from 'leveret/testing';
import { ShopModule } from './shop.module.js';

const app = await testApplication(ShopModule, { broker: { port: 0 }, strategies: [{ queue: 'stock' }] });
await app.publish('shop', 'order.created', { id: 'a', amount: 1 });
console.log(JSON.stringify(await app.settled('orders')));
app.broker.faults.dropAll();
await app.close();
