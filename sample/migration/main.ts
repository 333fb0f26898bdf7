/**
 * A fleet on Nest's own RabbitMQ transport moves to this library, one service at a time, with traffic all the time.
 *
 * `npm run sample:migration` runs it on an embedded broker, `AMQP_URL=amqp://... npm run sample:migration` on yours. The
 * guide to it is docs/migration-nest.md. What moves a service is the folder wiring: gateway, orders and mail do not know.
 */
import 'reflect-metadata';
import { connect } from 'leveret/amqp';
import { openBroker, type Broker } from '../shared/broker.js';
import { deleteAll } from '../shared/clean-up.js';
import { Books } from './books.js';
import { Fleet } from './fleet.js';
import { migrate, waitForEvents } from './migrate.js';
import { names } from './names.js';
import { NestEndings } from './nest-endings.js';
import { reportOn, type Run } from './report.js';
import { Visitors } from './visitors.js';
import { wireWithLeveret } from './wiring/leveret.js';
import { wireWithNest } from './wiring/nest.js';

const queues = [names.mail, names.orders];
const parkingQueues = queues.map((queue) => `${queue}.parked`);

async function runFleet(broker: Broker): Promise<Run> {
  const books = new Books();
  const endings = new NestEndings();
  const fleet = new Fleet(books, endings);
  const visitors = new Visitors(fleet);
  try {
    const [from, to] = [wireWithNest(broker.url), wireWithLeveret(broker.url)];
    const servicesMoved = await migrate({ fleet, visitors, from, to });
    const lost = await waitForEvents(visitors, books);
    console.log(
      `Nest's own transport closed under ${String(endings.handlers)} handlers and ${String(endings.replies)} replies`,
    );
    return {
      servicesMoved,
      requests: visitors.orders.length,
      answered: visitors.answered,
      events: 2 * visitors.orders.length,
      handled: books.handledEvents,
      lost,
      parkingQueues: await thoseThatExist(broker, parkingQueues),
      repeatedOrders: books.repeatedOrders,
      repeatedEvents: books.repeatedEvents,
      failures: visitors.failures,
    };
  } finally {
    await fleet.stop();
    await deleteAll(broker, { queues: [...queues, ...parkingQueues] });
  }
}

async function thoseThatExist({ url }: Broker, names: readonly string[]): Promise<string[]> {
  const connection = await connect(url);
  const channel = await connection.openChannel();
  const existing: string[] = [];
  for (const name of names) if (await channel.queueExists(name)) existing.push(name);
  await connection.close();
  return existing;
}

const broker = await openBroker(process.env['AMQP_URL']);
try {
  console.log(`${names.run}, through ${broker.description}`);
  const { problems, costs, summary } = reportOn(await runFleet(broker));
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
