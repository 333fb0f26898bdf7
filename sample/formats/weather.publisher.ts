import { Injectable } from '@nestjs/common';
import { InjectPublisher, Publisher } from 'leveret';
import { names } from './names.js';
import type { Reading } from './reading.js';

interface Events {
  'reading.daily': Reading;
}

@Injectable()
export class WeatherPublisher {
  constructor(
    @InjectPublisher({ exchange: names.weather }) private readonly plain: Publisher<Events>,
    @InjectPublisher({ exchange: names.weather, contentType: 'application/msgpack' })
    private readonly packed: Publisher<Events>,
    @InjectPublisher() private readonly direct: Publisher,
  ) {}

  /** As JSON, as MessagePack, and each of them compressed; resolves when the broker has all of them. */
  async publish(reading: Reading): Promise<void> {
    const compress = { encoding: 'gzip', minimumSize: 100 } as const;
    await Promise.all(
      [this.plain, this.packed].flatMap((publisher) => [
        publisher.publish('reading.daily', reading),
        publisher.publish('reading.daily', reading, { compress }),
      ]),
    );
  }

  /** As a service in .NET does with MassTransit. */
  async publishForeign(type: string, message: object): Promise<void> {
    const envelope = { messageType: [`urn:message:Shop.Contracts:${type}`], message };
    await this.direct.publish(names.foreign, envelope, { contentType: 'application/vnd.masstransit+json' });
  }

  /** A body that becomes a thousand times as large: nobody is to unpack it. */
  async publishBomb(): Promise<void> {
    const zeros = `"${'0'.repeat(5_000_000)}"`;
    await this.direct.publish(names.readings, zeros, { compress: 'gzip' });
  }
}
