// `npm run test:packaging`: builds the package, then runs test/packaging with Node's own test runner, and ends with the
// same line as `npm test`. AMQP_URL is handed through; without it the applications start the embedded broker.
import { spawnSync } from 'node:child_process';
import { dirname, join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const limit = 15 * 60_000;
const totals = { passed: 0, failed: 0, skipped: 0 };

const built = spawnSync(process.execPath, [join(root, 'scripts', 'build.mjs')], { cwd: root, stdio: 'inherit' });
if (built.status !== 0) {
  console.error('test:packaging: the build failed');
  totals.failed += 1;
} else {
  const stream = run({ files: [join(root, 'test', 'packaging', 'packaging.test.mjs')], timeout: limit });
  const isCounted = (event) => event.details?.type !== 'suite' && !isFile(event);
  // The runner reports each file as a test around the tests in it.
  const isFile = (event) => event.nesting === 0 && /packaging\.test\.mjs$/.test(event.name);
  stream.on('test:pass', (event) => {
    if (!isCounted(event)) return;
    if (event.skip !== undefined || event.todo !== undefined) totals.skipped += 1;
    else totals.passed += 1;
  });
  stream.on('test:fail', (event) => {
    // A file that fails without a failed test could not be loaded.
    if (isCounted(event) || totals.failed === 0) totals.failed += 1;
  });
  const report = stream.compose(spec);
  report.pipe(process.stdout);
  await new Promise((resolve, reject) => report.once('end', resolve).once('error', reject));
}
if (totals.passed + totals.failed === 0) {
  console.error(`test:packaging: no test ran in ${relative(process.cwd(), join(root, 'test', 'packaging')) || '.'}`);
}
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed > 0 || totals.passed === 0 || (process.env.CI && totals.skipped > 0) ? 1 : 0;
