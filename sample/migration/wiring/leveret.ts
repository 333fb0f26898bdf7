/** The same by the same names of options, on this library. */
import { AmqpClient, AmqpServer } from 'leveret';
import { queueOptions, type Wiring } from './wiring.js';

export function wireWithLeveret(url: string): Wiring {
  return {
    title: 'leveret',
    server: (queue) => ({
      strategy: new AmqpServer({
        urls: [url],
        queue,
        queueOptions,
        noAck: false,
        prefetchCount: 20,
      }),
    }),
    client: (name, queue) => ({
      name,
      customClass: AmqpClient,
      options: { urls: [url], queue, queueOptions, persistent: true },
    }),
  };
}
