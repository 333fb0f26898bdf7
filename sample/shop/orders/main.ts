/** The orders service: no HTTP, a database of its own. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { serviceOptions, setting, tellStarted } from '../service.js';
import { OrdersModule } from './orders.module.js';
import { openOrderDatabase } from './postgres-order-book.js';

const storage = await openOrderDatabase(setting('DATABASE_URL'));
const app = await NestFactory.createApplicationContext(OrdersModule.on(setting('AMQP_URL'), storage), serviceOptions);
app.enableShutdownHooks();
tellStarted();
