/** The matchers in the types of Jest, the global `expect` and that of `@jest/globals`; test/packaging has those of Vitest. */
import { expect, test } from '@jest/globals';
import { typeFaults } from '../../support/type-check.js';

const uses = `
  declare const app: import('leveret/testing').TestApplication;
  await expect(app).toHavePublished();
  await expect(app).toHavePublished({ exchange: 'shop', routingKey: /^order/, payload: { id: 1 }, count: 1 });
  await expect(app).not.toHaveConsumed({ handler: 'Orders.onOrder', outcome: 'park', error: Error });
  const settled: Promise<void> = expect(app).toHaveSettled({ queue: 'orders', outcome: 'ack', attempts: 1 });
  // @ts-expect-error -- an outcome that there is not
  await expect(app).toHaveSettled({ outcome: 'lost' });
  // @ts-expect-error -- a misspelt name
  await expect(app).toHavePublished({ routing: 'order.created' });
  export { settled };
`;

test('are known to both, with what they expect', () => {
  const pieces = new Map([
    ['of-types', uses],
    ['of-globals', `import { expect } from '@jest/globals';\n${uses}`],
  ]);
  expect(typeFaults(pieces)).toEqual([]);
}, 60_000);
