// `npm run test:nest11`: the tests of the Nest side, with NestJS 11 in place of the 12 that is installed here. It stands in
// test/support/nest11, is installed there at first use, and jest.config.mjs maps `@nestjs/*` to it. Arguments are Jest's;
// without any these are all tests of the Nest side. The rest, up to the last line, is scripts/test.mjs.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackages } from './install-packages.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const nestSide = ['test/nest/', 'test/integration/testing/', '--maxWorkers=2'];

try {
  installPackages(join(root, 'test', 'support', 'nest11'));
} catch (error) {
  console.error(`test:nest11: ${error.message}`);
  console.log('0 passed, 1 failed, 0 skipped');
  process.exit(1);
}
process.env.LEVERET_TEST_NEST = '11';
if (process.argv.length === 2) process.argv.push(...nestSide);
await import('./test.mjs');
