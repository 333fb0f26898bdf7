/** Every snippet of the README, run as it stands there, but for the URL, and for names that a broker may know already. */
import { jest } from '@jest/globals';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from 'leveret/amqp';
import { describeOnBroker } from '../support/brokers.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'test', 'tmp');
const snippets = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map(
  ([, code = '']) => code,
);

// The first one loads all of the library, instrumented where coverage is measured.
jest.setTimeout(30_000);

describeOnBroker('the README', (broker) => {
  const outputs = [
    /^order 1: 9\.5$/,
    /^hello$/,
    /^\[{"outcome":"ack","attempts":1},{"outcome":"ack","attempts":1}\]$/,
    /^life 2$/,
  ];

  const [exchange, queue] = [broker.unique('readme'), broker.unique('readme')];

  const renamed = (code: string): string =>
    code
      .replaceAll('amqp://guest:guest@localhost:5672/%2f', broker.url)
      .replaceAll("'shop'", `'${exchange}'`)
      .replaceAll("'orders'", `'${queue}'`);

  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    const connection = await connect(broker.url);
    const channel = await connection.openChannel();
    await Promise.all([queue, `${queue}.parked`].map((name) => channel.queueDelete(name)));
    await channel.exchangeDelete(exchange);
    await connection.close();
  });

  test('has the snippets that are run here', () => {
    expect(snippets).toHaveLength(outputs.length);
  });

  test.each(outputs.map((output, index) => [index + 1, output] as const))('snippet %i runs', async (number, output) => {
    const here = join(folder, broker.kind);
    const file = join(here, `${String(number)}.ts`);
    mkdirSync(here, { recursive: true });
    // The module of the first snippet, as the one about tests imports it.
    const [module = ''] = (snippets[0] ?? '').split('const app =');
    writeFileSync(join(here, 'shop.module.ts'), renamed(`${module}\nexport { ShopModule };\n`));
    writeFileSync(file, renamed(snippets[number - 1] ?? ''));
    const lines: string[] = [];
    const log = jest.spyOn(console, 'log').mockImplementation((line: unknown) => {
      lines.push(typeof line === 'string' ? line : JSON.stringify(line));
    });
    try {
      await import(file);
    } finally {
      log.mockRestore();
    }
    expect(lines).toContainEqual(expect.stringMatching(output));
  });
});
