/** Applications of a test, closed when it ends. */
import { afterEach } from '@jest/globals';
import { testApplication, type TestApplication, type TestApplicationOptions } from 'leveret/testing';
import { ShopModule } from './shop.module.js';

export type Start = (
  options?: TestApplicationOptions,
  module?: Parameters<typeof testApplication>[0],
) => Promise<TestApplication>;

/** To be called where tests are described. Without a module it is the shop. */
export function startedApplications(): Start {
  const open: TestApplication[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((app) => app.close()));
  });
  return async (options = {}, module = ShopModule) => {
    const app = await testApplication(module, { logger: false, ...options });
    open.push(app);
    return app;
  };
}
