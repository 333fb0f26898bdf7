/** A consumer that waits long between its tries, beside the shop. */
import { Injectable, Module } from '@nestjs/common';
import { Ack, Consume, InjectPublisher, Publisher } from 'leveret';
import { ShopModule } from './shop.module.js';

@Injectable()
export class Patient {
  readonly runs: unknown[] = [];
  work: (message: unknown) => unknown = () => undefined;

  constructor(@InjectPublisher({ exchange: 'shop' }) readonly shop: Publisher) {}

  @Consume('patient')
  @Ack({ retry: { attempts: 5, delay: [1_000, 2_000, 4_000, 8_000, 16_000] }, then: 'park' })
  async onMessage(message: unknown): Promise<void> {
    this.runs.push(message);
    await this.work(message);
  }
}

@Module({ imports: [ShopModule], providers: [Patient] })
export class PatientModule {}
