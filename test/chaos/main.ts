/**
 * `npm run test:chaos -- --seed S --minutes M --version V`: the long fault tests on a real RabbitMQ. First the named
 * scenarios (Jest, every position of the sweeps, the model at length), then a random run whose history is checked.
 * Exit code: 0, 1 when something failed, 2 when an option is wrong or there is no such broker.
 */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { ownVersion, whyNoControlledNode } from '../support/controlled-node.js';
import { checkHistory, isGood, mustBeEmpty, type Verdict } from './checker.js';
import { faultNames, type FaultName } from './schedule.js';
import { soak, type Memory } from './soak.js';

const root = dirname(dirname(import.meta.dirname));

const usage = `npm run test:chaos -- [options]
  --seed S        decides faults and traffic of the random run; default: by the clock, and printed
  --minutes M     of the random run; default 10
  --version V     of RabbitMQ: 3.10 (the installed one, default), 4.0, 4.3 (a laboratory's)
  --only PART     scenarios, or random; default both
  --faults A,B    these alone in the random run: ${faultNames.join(', ')}
  --check FILE    only reads a history again`;

class UsageError extends Error {}

function readOptions() {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      minutes: { type: 'string', default: '10' },
      version: { type: 'string', default: ownVersion },
      only: { type: 'string' },
      faults: { type: 'string' },
      check: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new UsageError('--seed takes a whole number from 0 on');
  const minutes = Number(values.minutes);
  if (!(minutes > 0) || !Number.isFinite(minutes)) throw new UsageError('--minutes takes a number over 0');
  if (values.only !== undefined && !['scenarios', 'random'].includes(values.only)) {
    throw new UsageError('--only takes scenarios or random');
  }
  const faults = values.faults?.split(',').map((name) => {
    const known = faultNames.find((one) => one === name);
    if (known === undefined) throw new UsageError(`--faults: there is no ${JSON.stringify(name)}`);
    return known;
  });
  return { ...values, seed, minutes, faults };
}

async function runScenarios(version: string): Promise<boolean> {
  const script = version === ownVersion ? ['test.mjs'] : ['test-versions.mjs', '--only', version];
  const [file = '', ...options] = script;
  const jest = spawn(
    process.execPath,
    [join(root, 'scripts', file), ...options, '--forceExit', 'test/integration/faults', 'test/chaos'],
    { cwd: root, stdio: 'inherit', env: { ...process.env, LEVERET_CHAOS: '1', LEVERET_CHAOS_VERSION: version } },
  );
  return await new Promise((resolve, reject) => {
    jest.once('error', reject).once('exit', (code) => {
      resolve(code === 0);
    });
  });
}

async function runRandom(
  seed: number,
  minutes: number,
  version: string,
  faults: readonly FaultName[] | undefined,
): Promise<boolean> {
  const folder = join(root, 'build', 'chaos');
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${version}-${String(seed)}.jsonl`);
  console.error(
    `random run on RabbitMQ ${version}: seed ${String(seed)}, ${String(minutes)} minutes, history in ${path}`,
  );
  const began = performance.now();
  const say = (line: string): void => {
    console.error(`${((performance.now() - began) / 1_000).toFixed(0).padStart(4)} s  ${line}`);
  };
  const memory = await soak({ seed, minutes, version, path, faults, say });
  const verdict = await checkHistory(path);
  report(verdict, memory);
  return isGood(verdict);
}

function report(verdict: Verdict, memory?: Memory): void {
  const { attempted, confirmed, failed, unknown, recoveredUnknown, seen, redelivered, duplicates } = verdict;
  const recoveries = [...verdict.recoveries.values()].reduce((sum, count) => sum + count, 0);
  const figures = {
    attempted,
    confirmed,
    'not sent or returned': failed,
    'unknown outcome': unknown,
    'of these seen': recoveredUnknown,
    seen,
    redelivered,
    'duplicates not marked so': duplicates,
    'stale settlements': verdict.staleSettlements,
    faults: verdict.faults,
    'recoveries, all connections': recoveries,
    'longest way back, ms': verdict.longestRevival,
    ...(memory && {
      'heap in MiB, begin and end': `${mebibytes(memory.begin)} and ${mebibytes(memory.end)}`,
    }),
  };
  for (const [name, figure] of Object.entries(figures)) console.log(`${name.padEnd(30)} ${String(figure)}`);
  for (const [key, name] of Object.entries(mustBeEmpty) as [keyof typeof mustBeEmpty, string][]) {
    const found = verdict[key];
    console.log(`${name.padEnd(30)} ${String(found.length)}`);
    for (const line of found.slice(0, 20)) console.log(`    ${line}`);
  }
  console.log(isGood(verdict) ? 'chaos: good' : 'chaos: FAILED');
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

async function main(): Promise<boolean> {
  const { help, check, only, seed, minutes, version, faults } = readOptions();
  if (help) {
    console.log(usage);
    return true;
  }
  if (check !== undefined) {
    const verdict = await checkHistory(check);
    report(verdict);
    return isGood(verdict);
  }
  const reason = whyNoControlledNode(version);
  if (reason !== undefined) throw new UsageError(reason);
  const scenarios = only === 'random' || (await runScenarios(version));
  const random = only === 'scenarios' || (await runRandom(seed, minutes, version, faults));
  return scenarios && random;
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  const isUsage = error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS');
  console.error(`test:chaos: ${error instanceof Error ? error.message : String(error)}`);
  if (isUsage === true) console.error(usage);
  process.exitCode = isUsage === true ? 2 : 1;
}
