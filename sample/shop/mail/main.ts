/** The mail service: no HTTP, a database of its own, and a provider who sends the mails. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { serviceOptions, setting, tellStarted } from '../service.js';
import { MailModule } from './mail.module.js';
import { openMailDatabase } from './postgres-mail-book.js';

const storage = await openMailDatabase(setting('DATABASE_URL'));
const module = MailModule.on(setting('AMQP_URL'), storage, setting('MAIL_PROVIDER_URL'));
const app = await NestFactory.createApplicationContext(module, serviceOptions);
app.enableShutdownHooks();
tellStarted();
