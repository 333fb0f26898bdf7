/**
 * What `@jest/globals` gives, for runtimes that Jest itself does not run on: Jest's own parts (jest-circus, expect,
 * its fake timers and mocks) without its module loader. A suite means the same here as it does under Jest.
 *
 * Knows nothing of the client; scripts/test-runtimes.mjs puts this file where `@jest/globals` is looked for.
 */
import { createRequire } from 'node:module';
import type * as jestExpect from '@jest/expect';
import type * as jestFakeTimers from '@jest/fake-timers';
import type { Config } from '@jest/types';
import type * as jestCircus from 'jest-circus';
import type * as jestMock from 'jest-mock';

// Required, not imported: Bun hands a CommonJS module's `default` to the ES-module wrappers that these packages carry.
const require = createRequire(import.meta.url);
const { ModernFakeTimers } = require('@jest/fake-timers') as typeof jestFakeTimers;
const { ModuleMocker } = require('jest-mock') as typeof jestMock;
const circus = require('jest-circus') as typeof jestCircus;

export const { afterAll, afterEach, beforeAll, beforeEach, describe, it, test, getState, run } = circus;
export const { jestExpect: expect } = require('@jest/expect') as typeof jestExpect;

const mocker = new ModuleMocker(globalThis);
// The only part of a project's configuration that the timers read is its default for useFakeTimers().
const timers = new ModernFakeTimers({ global: globalThis, config: { fakeTimers: {} } as Config.ProjectConfig });

/** The part of Jest's object that needs neither its module loader nor its configuration. */
export const jest = {
  fn: mocker.fn.bind(mocker),
  spyOn: mocker.spyOn.bind(mocker),
  clearAllMocks: () => {
    mocker.clearAllMocks();
  },
  resetAllMocks: () => {
    mocker.resetAllMocks();
  },
  restoreAllMocks: () => {
    mocker.restoreAllMocks();
  },
  useFakeTimers: (options?: Config.FakeTimersConfig) => {
    timers.useFakeTimers(options);
  },
  useRealTimers: () => {
    timers.useRealTimers();
  },
  advanceTimersByTime: timers.advanceTimersByTime.bind(timers),
  advanceTimersByTimeAsync: timers.advanceTimersByTimeAsync.bind(timers),
  advanceTimersToNextTimer: timers.advanceTimersToNextTimer.bind(timers),
  runAllTimers: timers.runAllTimers.bind(timers),
  runOnlyPendingTimers: timers.runOnlyPendingTimers.bind(timers),
  getTimerCount: timers.getTimerCount.bind(timers),
  setSystemTime: timers.setSystemTime.bind(timers),
  setTimeout: (milliseconds: number) => {
    // Where jest-circus looks for the limit of tests and hooks that have none of their own.
    Object.assign(globalThis, { [Symbol.for('TEST_TIMEOUT_SYMBOL')]: milliseconds });
  },
};
