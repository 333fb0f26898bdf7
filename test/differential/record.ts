/**
 * `tsx test/differential/record.ts URL-OF-3.10 URL-OF-4.3`: writes down what real RabbitMQ answers to the cases of
 * test/integration/broker/fidelity, as its expectations.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format } from 'prettier';
import { connectTcp } from '../../lib/amqp/transport/index.js';
import { cases } from '../integration/broker/fidelity/cases.js';
import { answersOf } from '../integration/broker/fidelity/answers.js';

const [, , url310 = '', url43 = ''] = process.argv;
const lines: string[] = [];
for (const one of cases) {
  const answers: string[][] = [];
  for (const url of [url310, url43]) {
    const { hostname, port } = new URL(url);
    const connect = () =>
      connectTcp({ host: hostname, port: Number(port) || 5672, tls: false }, new AbortController().signal);
    answers.push(await answersOf(one, { connect, pause: 120 }));
  }
  const [old = [], recent = []] = answers;
  const isSame = JSON.stringify(old) === JSON.stringify(recent);
  const text = isSame
    ? `{ all: ${JSON.stringify(old)} }`
    : `{ '3.10': ${JSON.stringify(old)}, '4.3': ${JSON.stringify(recent)} }`;
  lines.push(`${JSON.stringify(one.name)}: ${text},`);
}
const file = join(import.meta.dirname, '../integration/broker/fidelity/expectations.ts');
const source = `/** What real RabbitMQ answered; written by test/differential/record.ts, and to be read before it is kept. */
type Expectation = { readonly all: readonly string[] } | Readonly<Record<'3.10' | '4.3', readonly string[]>>;

export const expectations: Readonly<Record<string, Expectation>> = {
${lines.join('\n')}
};
`;
await writeFile(file, await format(source, { parser: 'typescript', singleQuote: true, printWidth: 120 }));
