import { isThenable } from '../../../lib/nest/formats/thenable.js';
import { patternsOf } from '../../../lib/nest/formats/message-layout.js';

test('a promise that nobody waits for ends no process when it rejects', async () => {
  const unheard: unknown[] = [];
  const hear = (error: unknown): void => void unheard.push(error);
  process.on('unhandledRejection', hear);
  expect(isThenable(Promise.reject(new Error('no')))).toBe(true);
  const patternFrom = (() => Promise.reject(new Error('no'))) as never;
  expect(() => patternsOf(patternFrom, {} as never, {}, 'key')).toThrow('patternFrom gave a promise');
  expect(isThenable({})).toBe(false);
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off('unhandledRejection', hear);
  expect(unheard).toEqual([]);
});
