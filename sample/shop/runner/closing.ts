/** The end of a day: everything settles, what was parked is mended and replayed, the services stop, and the books are compared. */
import { setTimeout } from 'node:timers/promises';
import { connect } from 'leveret/amqp';
import type { ParkedOrder } from '../gateway/parked.controller.js';
import { names } from '../names.js';
import { compare, type Books, type Differences } from './books.js';
import { unlistedArticle } from './customers.js';
import type { Shop } from './shop.js';

/** Milliseconds between two looks, without any change after which there is no hope, and of quiet before the services stop. */
const interval = 100;
const patience = 30_000;
const quiet = 1_000;

const queues = ['orders', 'mail'] as const;

export interface Closing {
  readonly books: Books;
  readonly differences: Differences;
  /** Orders that were parked, and replayed. */
  readonly parked: ReadonlySet<string>;
  /** Messages that are in a queue still, by its name. */
  readonly left: ReadonlyMap<string, number>;
}

export async function closeShop(shop: Shop): Promise<Closing> {
  const parked = new Set<string>();
  const look = async (): Promise<number> => {
    for (const queue of queues) {
      const messages = (await shop.http.insist('GET', `/parked/${queue}`)) as ParkedOrder[];
      for (const { id } of messages) if (id !== undefined) parked.add(id);
    }
    return parked.size;
  };
  // First all but the odd orders go through, which are parked.
  const { odd } = shop.customers;
  await settle(async () => {
    await look();
    return missingOf(await booksOf(shop)) - [...odd].filter((id) => parked.has(id)).length;
  });
  await shop.http.insist('PUT', '/articles', { article: unlistedArticle, price: 190 });
  await settle(async () => {
    await look();
    for (const queue of queues) await shop.http.insist('POST', `/parked/${queue}/replay`);
    return missingOf(await booksOf(shop));
  });
  // Whatever comes twice has time to come.
  await setTimeout(quiet);
  await shop.services.stop();
  const books = await booksOf(shop);
  return { books, differences: compare(books), parked, left: await messagesLeft(shop) };
}

async function booksOf({ customers: { made, accepted }, ledgers, provider }: Shop): Promise<Books> {
  return { made, accepted, written: await ledgers.orders(), mailed: await ledgers.mails(), sent: [...provider.sent] };
}

function missingOf(books: Books): number {
  const { notWritten, notMailed, notSent } = compare(books);
  return new Set([...notWritten, ...notMailed, ...notSent]).size;
}

/** Resolves when nothing is missing any more, or nothing has changed for too long. */
async function settle(countMissing: () => Promise<number>): Promise<void> {
  let missing = await countMissing();
  for (let changedAt = performance.now(); missing > 0 && performance.now() - changedAt < patience;) {
    await setTimeout(interval);
    const before = missing;
    missing = await countMissing();
    if (missing < before) changedAt = performance.now();
  }
}

async function messagesLeft({ brokerUrl }: Shop): Promise<Map<string, number>> {
  const connection = await connect(brokerUrl);
  const channel = await connection.openChannel();
  const left = new Map<string, number>();
  for (const queue of [names.orders, names.mail].flatMap((name) => [name, `${name}.parked`])) {
    const { messageCount } = await channel.queueDeclare(queue, { passive: true });
    if (messageCount > 0) left.set(queue, messageCount);
  }
  await connection.close();
  return left;
}
