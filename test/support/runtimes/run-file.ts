/**
 * Runs one compiled test file with jest-circus in whatever runtime this program was started: `run-file.js FILE REPORT`.
 *
 * REPORT is JSON: `{ tests: [{ name, status, errors }], errors, leftOpen }`. It is written when the tests are over;
 * the process is then given a moment to end by itself, as Jest's own "did not exit" would notice, and says if it cannot.
 */
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, getState, it, run, test } from './globals.js';

const [file = '', report = ''] = process.argv.slice(2);
// Jest gives these without an import; `jest` itself must be imported in its ES-module mode, so it is not here.
Object.assign(globalThis, { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test });

// Nothing may become an unhandled error: jest-circus counts these against the run.
for (const name of ['uncaughtException', 'unhandledRejection']) {
  process.on(name, (error: unknown) => {
    getState().unhandledErrors.push(error);
  });
}

// A runtime that finds the sources instead (by a tsconfig.json further up, say) would test what no user has.
const tested = import.meta.resolve('leveret/amqp');
if (!tested.endsWith('/node_modules/leveret/dist/esm/amqp/index.js')) throw new Error(`leveret/amqp is ${tested}`);

await import(pathToFileURL(file).href);
const { testResults, unhandledErrors } = await run();
writeFileSync(
  report,
  JSON.stringify({
    tests: testResults.map(({ testPath, status, errors }) => ({
      // The first is jest-circus's own name of the outermost block.
      name: testPath.slice(1).join(' '),
      status: status === 'done' ? (errors.length === 0 ? 'passed' : 'failed') : 'skipped',
      errors,
    })),
    errors: unhandledErrors,
  }),
);
