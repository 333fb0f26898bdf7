/** The gateway: HTTP in front, RabbitMQ behind, and no database. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { serviceOptions, setting, tellStarted } from '../service.js';
import { GatewayModule } from './gateway.module.js';

const app = await NestFactory.create(GatewayModule.on(setting('AMQP_URL')), serviceOptions);
app.enableShutdownHooks();
await app.listen(0, '127.0.0.1');
tellStarted(await app.getUrl());
