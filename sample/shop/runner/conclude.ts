/** The last lines of a run, and its status. */
import { closeShop } from './closing.js';
import { reportOn } from './report.js';
import { logFolder, removeLogs } from './service-processes.js';
import type { Shop } from './shop.js';

/** Resolves with whether the books balance. */
export async function conclude(shop: Shop): Promise<boolean> {
  const closing = await closeShop(shop);
  const { problems, summary } = reportOn(closing, shop.customers.odd, shop.services.problems());
  for (const problem of problems) console.log(`WRONG: ${problem}`);
  if (problems.length === 0) await removeLogs();
  else console.log(`the logs of the services are in ${logFolder}`);
  console.log(`customers asked ${String(shop.http.repeats)} times again; ${shop.provider.description}`);
  console.log(summary);
  return problems.length === 0;
}
