// Jest in ES-module mode (NestJS 12 is ES modules only), started by scripts/test.mjs with --experimental-vm-modules.

/** Those that take minutes: with brokers of their own (`npm run test:chaos`), of whole samples (`npm run test:samples`); and of clients of other languages (`npm run test:clients`). */
const longTests = [
  ...(process.env.LEVERET_CHAOS === undefined ? ['<rootDir>/test/chaos/'] : []),
  ...(process.env.LEVERET_CLIENTS === undefined ? ['<rootDir>/test/clients/'] : []),
  ...(process.env.LEVERET_SAMPLES === undefined ? ['<rootDir>/test/samples/'] : []),
];

/** `npm run test:nest11`. What NestJS 11 requires by itself is found in and above its folder: the one copy of each peer. */
const nest11 =
  process.env.LEVERET_TEST_NEST === '11'
    ? { '^@nestjs/(.*)$': '<rootDir>/test/support/nest11/node_modules/@nestjs/$1' }
    : {};

/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  // Tests of behaviour, not of speed: a machine that has other things to do makes none of them fail.
  testTimeout: 20_000,
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/packaging/', '/fixtures/', ...longTests],
  // Copies of the package in these folders would be duplicates of ours to Jest's module map.
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/build/', '<rootDir>/bench/', '<rootDir>/test/packaging/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    ...nest11,
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^leveret$': '<rootDir>/lib/index.ts',
    '^leveret/(amqp|broker|testing)$': '<rootDir>/lib/$1/index.ts',
  },
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        sourceMaps: 'inline',
        module: { type: 'es6' },
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: true },
          keepClassNames: true,
        },
      },
    ],
  },
  collectCoverageFrom: ['lib/**/*.ts', '!lib/**/*.commonjs.ts', '!lib/amqp/protocol/generated/**'],
  coverageDirectory: 'coverage',
  // Counts the lines that run; v8's counts comments and types as covered.
  coverageProvider: 'babel',
  coverageReporters: ['text-summary', 'lcov', 'json-summary'],
  coverageThreshold: { global: { lines: 90 } },
};
