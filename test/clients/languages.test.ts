/**
 * Clients of other languages, where they are installed, on RabbitMQ and on the embedded broker: `npm run test:clients`.
 * Each is a program in `programs/` that does what its users do and prints what held; the cut is made here.
 */
import { describeOnBrokers, type TestBroker } from '../support/brokers.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { installed, runProgram, type OtherClient } from './support.js';

const routed = 'routes by every type of exchange';
const carried = 'carries properties, headers and a body of several frames';
const refusals = 'hears of what no queue takes and of what a full queue rejects';
const settled = 'consumes with a prefetch, acknowledges, requeues and dead-letters';
const answered = 'is answered by direct reply-to';
const cut = 'waits to be cut';
const again = 'hears of the cut, and connects again';

const clients: readonly (OtherClient & { readonly steps: readonly string[] })[] = [
  {
    name: 'Pika',
    // The one that Debian's packages belong to comes last: another may stand before it in the path.
    interpreters: ['python3', '/usr/bin/python3'],
    probe: ['-c', 'import pika.exceptions'],
    program: 'pika-client.py',
    packages: 'python3-pika',
    steps: [
      'connects',
      `${routed}, and hears of what no queue takes`,
      carried,
      'hears of what a full queue rejects',
      settled,
      answered,
      'commits and rolls back',
      'raises its own errors for 403, 404, 406, a wrong password and a virtual host that is not there',
      'is told that the queue of a consumer is gone',
      'outlives its heartbeat time-out',
      cut,
      again,
    ],
  },
  {
    name: 'py-amqp (Celery)',
    interpreters: ['python3', '/usr/bin/python3'],
    probe: ['-c', 'import amqp'],
    program: 'py-amqp-client.py',
    packages: 'python3-amqp',
    steps: [
      'connects',
      'publishes with confirms; carries properties, headers and a body of several frames',
      'consumes with a prefetch, acknowledges and requeues',
      'raises its own errors for 403, 404, 406 and a wrong password',
      cut,
      again,
    ],
  },
  {
    name: 'Bunny (Ruby)',
    interpreters: ['ruby'],
    probe: ['-e', 'require "bunny"'],
    program: 'bunny-client.rb',
    packages: 'ruby-bunny',
    steps: [
      'connects',
      routed,
      carried,
      refusals,
      settled,
      answered,
      'raises its own errors for 403, 404, 406 and a wrong password',
      'outlives its heartbeat time-out',
      cut,
      'recovers its consumer after the cut',
    ],
  },
  {
    name: 'php-amqplib',
    interpreters: ['php'],
    probe: ['-r', 'require "PhpAmqpLib/autoload.php";'],
    program: 'php-amqplib-client.php',
    packages: 'php-cli php-amqplib',
    steps: [
      'connects by AMQPLAIN',
      routed,
      carried,
      refusals,
      settled,
      answered,
      'throws its own errors for 403, 404, 406 and a wrong password',
      cut,
      again,
    ],
  },
];

for (const client of clients) {
  const interpreter = installed(client);
  describeOnBrokers(client.name, (broker: TestBroker) => {
    if (interpreter === undefined) {
      test.skip(`is not installed (apt-get install --no-install-recommends ${client.packages})`, () => undefined);
      return;
    }

    test('does what its users do, and hears what RabbitMQ would say', async () => {
      const proxy = await TcpProxy.start(broker.url);
      try {
        const { code, lines, errors } = await runProgram(
          [interpreter, client.program, proxy.url, broker.unique('client')],
          (line) => {
            if (line === cut) proxy.cut();
          },
        );
        expect({ lines, errors }).toEqual({ lines: client.steps, errors: '' });
        expect(code).toBe(0);
      } finally {
        await proxy.stop();
      }
    }, 90_000);
  });
}
