/** librabbitmq (C) by its command line tools, where they are installed: `npm run test:clients`. */
import { describeOnBrokers } from '../support/brokers.js';
import { installed, run } from './support.js';

const tools = {
  name: 'amqp-tools',
  interpreters: ['amqp-publish'],
  probe: ['--usage'],
  packages: 'amqp-tools',
};
const areInstalled = installed(tools) !== undefined;

describeOnBrokers('librabbitmq', (broker) => {
  if (!areInstalled) {
    test.skip('is not installed (apt-get install --no-install-recommends amqp-tools)', () => undefined);
    return;
  }
  const at = (): string => `--url=${broker.url}`;

  test('declares, publishes, gets, consumes and deletes', async () => {
    const queue = broker.unique('tools');
    expect(await run('amqp-declare-queue', [at(), '-d', '-q', queue])).toMatchObject({ code: 0, output: `${queue}\n` });
    for (const body of ['one', 'two']) {
      expect(await run('amqp-publish', [at(), '-r', queue, '-p', '-C', 'text/plain', '-b', body])).toMatchObject({
        code: 0,
      });
    }
    expect(await run('amqp-get', [at(), '-q', queue])).toMatchObject({ code: 0, output: 'one' });
    expect(await run('amqp-consume', [at(), '-q', queue, '-c', '1', 'cat'])).toMatchObject({ code: 0, output: 'two' });
    // No message: exit code 2 of amqp-get.
    expect(await run('amqp-get', [at(), '-q', queue])).toMatchObject({ code: 2, output: '' });
    expect(await run('amqp-delete-queue', [at(), '-q', queue])).toMatchObject({ code: 0, output: '0\n' });
  });

  test('carries a body of several frames from its standard input', async () => {
    const queue = broker.unique('tools');
    const body = 'leveret'.repeat(100_000);
    await run('amqp-declare-queue', [at(), '-d', '-q', queue]);
    expect(await run('amqp-publish', [at(), '-r', queue], body)).toMatchObject({ code: 0 });
    expect((await run('amqp-get', [at(), '-q', queue])).output === body).toBe(true);
    await run('amqp-delete-queue', [at(), '-q', queue]);
  });

  test('says what the broker refused', async () => {
    const { code, errors } = await run('amqp-get', [at(), '-q', broker.unique('absent')]);
    expect(code).toBe(1);
    expect(errors).toContain('404');
    expect(errors).toContain('NOT_FOUND - no queue');
  });
});
