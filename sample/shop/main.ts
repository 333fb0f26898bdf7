/**
 * A shop of three services, each in a process of its own: the gateway takes orders over HTTP, orders writes them down, mail
 * confirms them. docs/shop.md says what is to be seen where.
 *
 * `npm run sample:shop` runs a short day of it on an embedded broker, `AMQP_URL=amqp://... npm run sample:shop` on yours: the
 * mail provider is busy now and then, mail is killed, all connections are cut, some orders are parked and replayed. It compares
 * the books, and exits. `npm run sample:shop:kill` is the long day. Where there is no PostgreSQL, or with `-- --memory`, all of
 * it runs in one process, which nobody kills.
 */
import 'reflect-metadata';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { conclude } from './runner/conclude.js';
import { withShop, type Shop } from './runner/shop.js';

const orderCount = 200;
const customersAtATime = 20;

async function runDay(shop: Shop): Promise<boolean> {
  const { customers, services, line } = shop;
  const ordering = customers.order(orderCount, customersAtATime);
  const isHalfDone = async (): Promise<void> => {
    while (customers.accepted.size < orderCount / 2) await setTimeout(5, undefined, { ref: false });
  };
  await Promise.race([ordering, isHalfDone()]);
  const cut = line.cut();
  if (services.kill) {
    await services.kill('mail');
    services.start('mail');
  }
  console.log(`cut ${String(cut)} connections${services.kill ? ' and killed mail' : ''} in the midst of it`);
  await ordering;
  await services.areStarted();
  return conclude(shop);
}

try {
  const { values } = parseArgs({ options: { memory: { type: 'boolean', default: false } } });
  const isBalanced = await withShop({ isInMemory: values.memory }, runDay);
  process.exitCode = isBalanced ? 0 : 1;
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
