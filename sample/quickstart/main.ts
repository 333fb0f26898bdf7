/**
 * The quick start: a shop whose orders survive two cuts of all its connections.
 *
 * `npm start` runs it on an embedded broker, `AMQP_URL=amqp://... npm start` on yours.
 */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AmqpServer } from 'leveret';
import { openBroker, type Broker } from '../shared/broker.js';
import { deleteAll } from '../shared/clean-up.js';
import { AppModule } from './app.module.js';
import { names } from './names.js';
import { readLines, readPlainly, type Line } from './orders-file.js';
import { QuietLogger, say } from './progress.js';
import { reportOn, type Run } from './report.js';
import { runShop } from './run-shop.js';

async function runApplication(broker: Broker, lines: readonly Line[]): Promise<Run> {
  const { url, transport } = broker;
  const app = await NestFactory.createMicroservice(AppModule.on(broker), {
    strategy: new AmqpServer({ url, transport, queue: names.totals }),
    logger: new QuietLogger(),
    abortOnError: false,
  });
  await app.listen();
  try {
    return await runShop(app, broker, lines);
  } finally {
    await app.close();
    await deleteAll(broker, {
      queues: [names.orders, names.deadLetters, names.totals],
      exchanges: [names.shop, names.deadLetterExchange],
    });
  }
}

const lines = await readLines(new URL('./orders.jsonl', import.meta.url));
const broker = await openBroker(process.env['AMQP_URL']);
try {
  say(`${String(lines.length)} orders, through ${broker.description}`);
  const { problems, costs, summary } = reportOn(await runApplication(broker, lines), readPlainly(lines));
  for (const problem of problems) say(`WRONG: ${problem}`);
  say(costs);
  say(summary);
  process.exitCode = problems.length === 0 ? 0 : 1;
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await broker.stop();
}
