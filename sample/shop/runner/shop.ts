/** Opens what a run needs, and leaves nothing of it behind: broker, line, databases, mail provider, the three services. */
import { openBroker } from '../../shared/broker.js';
import { deleteAll } from '../../shared/clean-up.js';
import { openLine, type Line } from '../../shared/line.js';
import { openPostgres } from '../../shared/postgres.js';
import { names } from '../names.js';
import type { Ledgers } from './books.js';
import { Databases } from './databases.js';
import { Customers } from './customers.js';
import { Http } from './http.js';
import { MailProviderServer } from './mail-provider-server.js';
import { startInOneProcess } from './one-process.js';
import { removeLogs, startProcesses } from './service-processes.js';
import type { Services } from './services.js';

export interface Shop {
  /** The broker itself, and the way to it that all services take. */
  readonly brokerUrl: string;
  readonly line: Line;
  readonly provider: MailProviderServer;
  readonly services: Services;
  readonly ledgers: Ledgers;
  readonly http: Http;
  readonly customers: Customers;
}

export interface ShopOptions {
  /** True: without PostgreSQL, also where there is one. Default false. */
  readonly isInMemory?: boolean;
}

/** Runs it in a shop of its own. On a signal `closing` aborts, with which the run is to end. */
export async function withShop<Result>(
  { isInMemory = false }: ShopOptions,
  run: (shop: Shop, closing: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const closing = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      closing.abort(new Error(`the shop was closed by ${signal}`));
    });
  }
  const endings: (() => Promise<unknown>)[] = [];
  const opened = <Thing>(thing: Thing, end: (thing: Thing) => Promise<unknown>): Thing => {
    endings.unshift(() => end(thing));
    return thing;
  };
  try {
    const broker = opened(await openBroker(process.env['AMQP_URL']), (one) => one.stop());
    opened(broker, (one) => deleteAll(one, leftovers));
    const server = opened(isInMemory ? undefined : await openPostgres(), async (one) => one?.stop());
    const line = opened(await openLine(broker), (one) => one.close());
    const provider = opened(await MailProviderServer.start(), (one) => one.stop());
    console.log(`${names.run}, through ${broker.description}, with ${server?.description ?? 'no database'}`);
    const { services, ledgers } = server
      ? await startWith(
          opened(await Databases.create(server.url), (one) => one.drop()),
          line,
          provider,
        )
      : await startWithout(line, provider, isInMemory);
    opened(services, (one) => one.stop());
    const http = new Http(() => services.address(), closing.signal);
    const customers = new Customers(http);
    const shop = { brokerUrl: broker.url, line, provider, services, ledgers, http, customers };
    return await run(shop, closing.signal);
  } finally {
    for (const end of endings) await end();
    if (closing.signal.aborted) await removeLogs();
  }
}

async function startWith(databases: Databases, { url }: Line, provider: MailProviderServer) {
  const services = await startProcesses({ amqpUrl: url, databases, providerUrl: provider.url });
  return { services, ledgers: databases };
}

async function startWithout({ url }: Line, provider: MailProviderServer, isMeant: boolean) {
  if (!isMeant) {
    console.log('NO POSTGRESQL: THE SHORT FORM IN ONE PROCESS, with its books in memory, and nobody is killed.');
    console.log('For all of it: DATABASE_URL=postgres://..., or install it (apt-get install postgresql).');
  }
  return startInOneProcess(url, provider.url);
}

const queues = [names.orders, names.articles, names.mail];

const leftovers = { queues: queues.flatMap((queue) => [queue, `${queue}.parked`]), exchanges: [names.shop] };
