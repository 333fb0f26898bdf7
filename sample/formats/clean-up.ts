import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Broker } from '../shared/broker.js';
import { deleteAll } from '../shared/clean-up.js';
import { names } from './names.js';

/** Leaves nothing of this run on the broker, also where it was ended by a signal. */
@Injectable()
export class CleanUp implements OnApplicationShutdown {
  constructor(private readonly broker: Broker) {}

  async onApplicationShutdown(): Promise<void> {
    const queues = [names.readings, names.foreign].flatMap((queue) => [queue, `${queue}.parked`]);
    await deleteAll(this.broker, { queues, exchanges: [names.weather] });
  }
}
