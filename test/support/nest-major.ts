/** Which NestJS these tests run on: 12, or 11 under `npm run test:nest11`. */
import { createRequire } from 'node:module';

const { version } = createRequire(import.meta.url)('@nestjs/core/package.json') as { version: string };

export const nestMajor = Number.parseInt(version, 10);
