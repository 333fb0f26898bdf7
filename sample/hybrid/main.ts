/**
 * A hybrid application: HTTP in front, AMQP behind and beside it, in one process.
 *
 * `npm run sample:hybrid` runs it on an embedded broker, `AMQP_URL=amqp://... npm run sample:hybrid` on yours. It is its
 * own customer, loses all its connections once, compares the books, and exits.
 */
import 'reflect-metadata';
import { isatty } from 'node:tty';
import { ConsoleLogger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { AmqpServer } from 'leveret';
import { openBroker, type Broker } from '../shared/broker.js';
import { AppModule } from './app.module.js';
import { ClosingTime } from './closing-time.js';
import { Customers } from './customers.js';
import { names } from './names.js';
import { reportOn, type Run } from './report.js';
import { runShop } from './run-shop.js';

async function runApplication(broker: Broker): Promise<Run> {
  const { url, transport } = broker;
  const app = await NestFactory.create(AppModule.on(broker), {
    logger: new ConsoleLogger({ logLevels: ['warn', 'error', 'fatal'], colors: isatty(1) }),
    abortOnError: false,
  });
  // Serves @MessagePattern and @EventPattern; handlers with @Consume need no server.
  const warehouse = app.connectMicroservice<MicroserviceOptions>(
    { strategy: new AmqpServer({ url, transport, queue: names.warehouse }) },
    { inheritAppConfig: true },
  );
  // On SIGTERM, too: takes no more messages, finishes those at hand, answers the requests at hand, then disconnects.
  app.enableShutdownHooks();
  try {
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    const customers = new Customers(await app.getUrl(), app.get(ClosingTime).signal);
    return await runShop({ app, warehouse, customers }, broker);
  } finally {
    await app.close();
  }
}

const broker = await openBroker(process.env['AMQP_URL']);
try {
  console.log(`${names.run}, through ${broker.description}`);
  const { problems, costs, summary } = reportOn(await runApplication(broker));
  for (const problem of problems) console.log(`WRONG: ${problem}`);
  console.log(costs);
  console.log(summary);
  process.exitCode = problems.length === 0 ? 0 : 1;
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await broker.stop();
}
