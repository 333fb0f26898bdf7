/**
 * Formats: one handler for readings in JSON and MessagePack, compressed or not; the envelopes of another library; a handler for
 * all that is left; and a message that would unpack to a thousand times its size.
 *
 * `npm run sample:formats` runs it on an embedded broker, `AMQP_URL=amqp://... npm run sample:formats` on yours.
 */
import 'reflect-metadata';
import { setTimeout } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import { connect } from 'leveret/amqp';
import { openBroker, type Broker } from '../shared/broker.js';
import { AppModule } from './app.module.js';
import { Book } from './book.js';
import { names } from './names.js';
import { readingOf } from './reading.js';
import { WeatherPublisher } from './weather.publisher.js';

const days = 24;
/** JSON and MessagePack, each plain and compressed. */
const ways = 4;

async function parkedReason({ url }: Broker): Promise<string> {
  const connection = await connect(url);
  try {
    const channel = await connection.openChannel();
    for (const deadline = performance.now() + 10_000; performance.now() < deadline;) {
      const delivery = await channel.basicGet(`${names.readings}.parked`, { noAck: true });
      if (delivery) return delivery.properties.headers?.['x-leveret-error'] as string;
      await setTimeout(20);
    }
    return 'nothing was parked';
  } finally {
    await connection.close();
  }
}

async function runWeather(broker: Broker): Promise<boolean> {
  const app = await NestFactory.createApplicationContext(AppModule.on(broker), {
    // The log would tell of the message that is parked on purpose.
    logger: false,
    abortOnError: false,
  });
  app.enableShutdownHooks();
  try {
    const [publisher, book] = [app.get(WeatherPublisher), app.get(Book)];
    for (let day = 0; day < days; day += 1) await publisher.publish(readingOf(day));
    await publisher.publishForeign('OrderSubmitted', { orderId: 'order-1' });
    await publisher.publishForeign('OrderCancelled', { orderId: 'order-2' });
    await publisher.publishBomb();
    const parked = await parkedReason(broker);
    const isComplete = (): boolean => book.received >= days * ways && book.orders.length > 0 && book.unknown.length > 0;
    for (const deadline = performance.now() + 10_000; !isComplete() && performance.now() < deadline;) {
      await setTimeout(10);
    }
    for (const line of book.lines) console.log(line);
    console.log(`of another library: ${book.orders.join()}; left for the catch-all: ${book.unknown.join()}`);
    console.log(`parked: ${parked}`);
    console.log(`formats: ${String(book.received)} readings of ${String(days * ways)}, ${String(book.wrong)} wrong`);
    return book.received === days * ways && book.wrong === 0 && isComplete() && parked === 'BodyTooLargeError';
  } finally {
    await app.close();
  }
}

const broker = await openBroker(process.env['AMQP_URL']);
try {
  console.log(`${names.run}, through ${broker.description}`);
  process.exitCode = (await runWeather(broker)) ? 0 : 1;
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await broker.stop();
}
