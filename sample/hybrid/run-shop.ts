/** Customers come, look what there is, and order; in their midst every connection to the broker is cut. */
import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { INestApplication, INestMicroservice } from '@nestjs/common';
import { type AmqpClient, RecoveryService } from 'leveret';
import type { Connection } from 'leveret/amqp';
import type { Broker } from '../shared/broker.js';
import { Cutter, describeCut, type Life } from '../shared/cutter.js';
import { suppliersClient, warehouseClient } from './clients.js';
import type { Customers } from './customers.js';
import { Mailbox } from './mailbox.js';
import type { OrderDto } from './order.dto.js';
import { findWrongRefusals } from './refusals.js';
import type { Run } from './report.js';

const orderCount = 200;
const customersAtATime = 20;

export interface Shop {
  readonly app: INestApplication;
  readonly warehouse: INestMicroservice;
  readonly customers: Customers;
}

export async function runShop({ app, warehouse, customers }: Shop, broker: Broker): Promise<Run> {
  const mailbox = app.get(Mailbox);
  const wrongRefusals = await findWrongRefusals(customers);

  const orders = Array.from({ length: orderCount }, newOrder);
  const confirmed: OrderDto[] = [];
  let stockAnswers = 0;
  const serve = async (part: readonly OrderDto[]): Promise<void> => {
    const queue = part.values();
    const serveInTurn = async (): Promise<void> => {
      for (const order of queue) {
        const stock = await customers.insist('GET', `/stock/${order.sku}`);
        if (stock.status === 200) stockAnswers += 1;
        const answer = await customers.insist('POST', '/orders', order);
        if (answer.status === 201) confirmed.push(order);
      }
    };
    await Promise.all(Array.from({ length: customersAtATime }, serveInTurn));
  };

  const middle = orderCount / 2;
  await serve(orders.slice(0, middle));
  const serving = serve(orders.slice(middle));
  const cut = await new Cutter(broker, () => connectionsOf(app, warehouse)).cutDuring(
    serving,
    () => ({ questions: customers.underWay('GET'), orders: customers.underWay('POST'), mails: mailbox.underWay }),
    ({ questions, orders, mails }) => questions >= 1 && orders >= 5 && mails >= 1,
  );
  if (cut) {
    const [questions, placed, mails] = Object.values(cut.activity).map(String);
    console.log(describeCut(cut, `${questions} questions, ${placed} orders and ${mails} mails under way`));
  }
  await serving;

  const lost = await waitForMails(confirmed, mailbox);
  return {
    orders: orders.length,
    stockAnswers,
    confirmed: confirmed.length,
    mailed: mailbox.mailed,
    lost,
    repeats: mailbox.repeats,
    refusals: customers.refusals,
    wrongRefusals,
    hasRecovered: cut?.recoveredAfter !== undefined,
  };
}

function newOrder(_none: unknown, index: number): OrderDto {
  const number = String(index + 1);
  const sku = `hay-${String(10 + (index % 90))}`;
  return { id: randomUUID(), customer: `customer-${number}@example.org`, sku, quantity: 1 + (index % 5) };
}

/** Every connection there is: the module's, the server's and the clients'. */
function connectionsOf(app: INestApplication, warehouse: INestMicroservice): readonly Life[] {
  const ofModule = app.get(RecoveryService).connections();
  const clients = [warehouseClient, suppliersClient].map((token) => app.get<AmqpClient>(token).unwrap());
  return [
    ...ofModule.map(({ state, epoch }) => ({ isOpen: state === 'open', epoch })),
    warehouse.unwrap<Connection>(),
    ...clients,
  ];
}

/** Resolves when all have their mail, or none was written for `patience` milliseconds; how many have none. */
async function waitForMails(orders: readonly OrderDto[], mailbox: Mailbox, patience = 5_000): Promise<number> {
  const countMissing = (): number => orders.filter(({ id }) => !mailbox.has(id)).length;
  let missing = countMissing();
  for (let changedAt = performance.now(); missing > 0 && performance.now() - changedAt < patience;) {
    await setTimeout(10);
    const before = missing;
    missing = countMissing();
    if (missing < before) changedAt = performance.now();
  }
  return missing;
}
