/**
 * The long day: customers order all the time, while gateway, orders and mail are killed (SIGKILL) and started again at random
 * moments, and all connections to the broker are cut. Then everything settles, and the books must balance.
 *
 * `npm run sample:shop:kill -- --seconds 60 --seed 1`; the embedded broker, or the one in AMQP_URL. The seed decides what
 * happens when; what that meets is the machine's to decide.
 */
import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { conclude } from './runner/conclude.js';
import { Incidents } from './runner/incidents.js';
import { withShop, type Shop } from './runner/shop.js';

interface Options {
  readonly seconds: number;
  readonly seed: number;
}

function readOptions(): Options {
  const { values } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } });
  const seconds = Number(values.seconds ?? 60);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
  if (!(seconds >= 1 && seconds <= 86_400)) throw new Error('--seconds must be a number from 1 to 86400');
  if (!Number.isInteger(seed) || seed < 0) throw new Error('--seed must be a whole number');
  return { seconds, seed };
}

async function runDay(shop: Shop, { seconds, seed }: Options, closing: AbortSignal): Promise<boolean> {
  const evening = new AbortController();
  closing.addEventListener('abort', () => evening.abort());
  const day = setTimeout(() => evening.abort(), seconds * 1_000);
  const incidents = new Incidents(shop, seed);
  try {
    await Promise.all([shop.customers.comeUntil(evening.signal), incidents.happenUntil(evening.signal)]);
  } finally {
    clearTimeout(day);
    // Where one of the two failed, the other ends, too.
    evening.abort();
  }
  closing.throwIfAborted();
  console.log(`in ${String(seconds)} s, with the seed ${String(seed)}: ${incidents.description}`);
  return conclude(shop);
}

try {
  const options = readOptions();
  console.log(`kill: ${String(options.seconds)} s, --seed ${String(options.seed)}`);
  const isBalanced = await withShop({}, (shop, closing) => runDay(shop, options, closing));
  process.exitCode = isBalanced ? 0 : 1;
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
