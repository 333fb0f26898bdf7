/** What a service needs to speak over RabbitMQ: all that changes when it moves. */
import type { ClientProviderOptions, MicroserviceOptions } from '@nestjs/microservices';

export interface Wiring {
  /** For people. */
  readonly title: string;
  /** For `NestFactory.createMicroservice`. */
  server(queue: string): MicroserviceOptions;
  /** For `ClientsModule.register`. */
  client(name: symbol, queue: string): ClientProviderOptions;
}

/** How the queues were declared when they were made. Both transports say the same: any difference would be a 406. */
export const queueOptions = { durable: true, maxLength: 100_000 };
