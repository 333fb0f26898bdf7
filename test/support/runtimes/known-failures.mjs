// Tests of the client that are known to fail on a runtime, each with the reason: a limit of the runtime, never a fault
// of ours. scripts/test-runtimes.mjs prints them, counts them apart, and fails when one of them passes.
//
// { runtime: 'bun' | 'deno', file: 'test/….test.ts', test: 'full name of the test', reason: 'one sentence' }
export const knownFailures = [];
