import { Module, ValidationPipe, type DynamicModule } from '@nestjs/common';
import { APP_PIPE } from '@nestjs/core';
import { AmqpModule, IdempotencyModule } from 'leveret';
import { names } from '../names.js';
import { MailBook, type MailStorage } from './mail-book.js';
import { MailConsumer } from './mail.consumer.js';
import { MailProvider } from './mail-provider.js';

@Module({})
export class MailModule {
  static on(amqpUrl: string, { book, keys }: MailStorage, providerUrl: string): DynamicModule {
    return {
      module: MailModule,
      imports: [
        AmqpModule.forRoot({ url: amqpUrl, exchanges: [{ name: names.shop, type: 'topic' }] }),
        IdempotencyModule.forRoot({ store: keys }),
      ],
      providers: [
        { provide: APP_PIPE, useValue: new ValidationPipe({ transform: true, whitelist: true }) },
        { provide: MailBook, useFactory: () => book },
        { provide: MailProvider, useFactory: () => new MailProvider(providerUrl) },
        MailConsumer,
      ],
    };
  }
}
