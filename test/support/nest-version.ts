/** Which NestJS these tests run on: 12, or 11 under `npm run test:nest11`. */
import { createRequire } from 'node:module';

const { version } = createRequire(import.meta.url)('@nestjs/core/package.json') as { version: string };

export const nestMajor = Number.parseInt(version, 10);

/** Arguments of Node with which a program in TypeScript runs on the same NestJS, in a process of its own. */
export const programOptions: readonly string[] = [
  ...['--import', 'tsx'],
  ...(nestMajor === 11 ? ['--import', new URL('nest11/register.mjs', import.meta.url).href] : []),
];
