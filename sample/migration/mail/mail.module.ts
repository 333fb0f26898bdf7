import { Module, type DynamicModule } from '@nestjs/common';
import { Books } from '../books.js';
import { MailController } from './mail.controller.js';

@Module({})
export class MailModule {
  static on(books: Books): DynamicModule {
    return {
      module: MailModule,
      controllers: [MailController],
      providers: [{ provide: Books, useValue: books }],
    };
  }
}
