/**
 * Named cases of fidelity, on real RabbitMQ and on the embedded broker as the same version: regressions of what the
 * differential suite (`npm run test:differential`) found.
 */
import { connectTcp } from '../../../lib/amqp/transport/index.js';
import { EmbeddedBroker } from '../../../lib/broker/index.js';
import { askVersion } from '../../../scripts/rabbitmq-node.mjs';
import { describeOnRabbitmq } from '../../support/brokers.js';
import { answersOf } from './fidelity/answers.js';
import { cases, expectedOf } from './fidelity/cases.js';

describe.each(['3.10', '4.3'] as const)('the embedded broker as RabbitMQ %s', (version) => {
  it.each(cases)('$name', async (one) => {
    const broker = await EmbeddedBroker.start({ emulate: version });
    const open = broker.memory();
    const endpoint = { host: 'memory', port: 0, tls: false };
    try {
      const connect = async () => open(endpoint, new AbortController().signal);
      expect(await answersOf(one, { connect, pause: 1 })).toEqual(expectedOf(one, version));
    } finally {
      await broker.stop();
    }
  });
});

describeOnRabbitmq('a real node', ({ url }) => {
  const { hostname, port } = new URL(url);
  const connect = () => connectTcp({ host: hostname, port: Number(port), tls: false }, new AbortController().signal);

  it.each(cases)('$name', async (one) => {
    const version = await askVersion(hostname, Number(port));
    const known = (['3.10', '4.3'] as const).find((name) => version.startsWith(`${name}.`));
    // Of other versions nothing was written down.
    if (!known) return;
    const expected = expectedOf(one, known);
    expect(await answersOf(one, { connect, pause: 30, expected })).toEqual(expected);
  });
});
