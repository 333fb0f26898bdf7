import { Module, type DynamicModule } from '@nestjs/common';
import { AmqpModule } from 'leveret';
import type { Broker } from '../shared/broker.js';
import { Book } from './book.js';
import { CleanUp } from './clean-up.js';
import { messagePack } from './message-pack.js';
import { names } from './names.js';
import { WeatherConsumer } from './weather.consumer.js';
import { WeatherPublisher } from './weather.publisher.js';

@Module({})
export class AppModule {
  static on(broker: Broker): DynamicModule {
    const { url, transport } = broker;
    return {
      module: AppModule,
      imports: [
        AmqpModule.forRoot({
          url,
          transport,
          exchanges: [{ name: names.weather, type: 'topic' }],
          formats: [messagePack],
        }),
      ],
      providers: [{ provide: CleanUp, useFactory: () => new CleanUp(broker) }, Book, WeatherConsumer, WeatherPublisher],
    };
  }
}
