/** What an application declared, as a snapshot has it. */
import { describe, expect, test } from '@jest/globals';
import { connect } from 'leveret/amqp';
import { PatientModule } from './patient.module.js';
import { startedApplications } from './support.js';

describe('the topology of an application', () => {
  const start = startedApplications();

  test('has exchanges, queues and bindings with their arguments, sorted, and no delay queues', async () => {
    const app = await start({}, PatientModule);
    expect(app.topology()).toEqual({
      exchanges: [
        { name: 'dead', type: 'fanout', durable: true },
        { name: 'shop', type: 'topic', durable: true },
      ],
      queues: [
        { name: 'dead-orders', type: 'classic', durable: true },
        { name: 'invoices', type: 'classic', durable: true },
        { name: 'orders', type: 'classic', durable: true, arguments: { 'x-dead-letter-exchange': 'dead' } },
        { name: 'orders.parked', type: 'classic', durable: true },
        { name: 'patient', type: 'classic', durable: true },
        { name: 'patient.parked', type: 'classic', durable: true },
      ],
      bindings: [
        { source: 'dead', destination: 'dead-orders', routingKey: '' },
        { source: 'shop', destination: 'invoices', routingKey: 'invoice.*' },
        { source: 'shop', destination: 'orders', routingKey: 'order.created' },
      ],
    });
    const names = app.topology({ delays: true }).queues.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['leveret.delay.16000', 'leveret.delay.unroutable']));
  });

  test('is the same in each run, whatever names the broker made, and in whichever order', async () => {
    const [first, second] = await Promise.all([start({}, PatientModule), start({}, PatientModule)]);
    const declare = async (app: typeof first, kinds: readonly ('classic' | 'bound')[]): Promise<void> => {
      const connection = await connect({ transport: app.broker.memory(), virtualHost: 'shop' });
      const channel = await connection.openChannel();
      for (const kind of kinds) {
        const { queue } = await channel.queueDeclare('', { durable: false, autoDelete: true });
        if (kind === 'bound') await channel.queueBind(queue, 'shop', 'bound.#');
        await channel.exchangeDeclare(`made.${String(Math.random())}`, 'fanout', { internal: true });
      }
      await channel.exchangeBind('dead', 'shop', 'dead.#');
      const headers = kinds[0] === 'bound' ? { z: 1, a: 2 } : { a: 2, z: 1 };
      await channel.queueBind('invoices', 'amq.headers', '', { 'x-match': 'any', ...headers });
      await connection.close();
    };
    await declare(first, ['classic', 'bound']);
    await declare(second, ['bound', 'classic']);
    const rename = (name: string): string => name.replace(/^made\..*/, 'made');
    const topology = first.topology({ rename });
    expect(second.topology({ rename })).toEqual(topology);
    expect(topology.queues.slice(0, 2).map(({ name }) => name)).toEqual(['<generated 1>', '<generated 2>']);
    expect(topology.bindings).toContainEqual({ source: 'shop', destination: 'exchange:dead', routingKey: 'dead.#' });
    expect(topology.bindings).toContainEqual({ source: 'shop', destination: '<generated 1>', routingKey: 'bound.#' });
    expect(topology.exchanges).toContainEqual({ name: 'made', type: 'fanout', durable: true, internal: true });
    const byHeaders = { source: 'amq.headers', destination: 'invoices', routingKey: '' };
    expect(topology.bindings).toContainEqual({ ...byHeaders, arguments: { a: 2, z: 1, 'x-match': 'any' } });
  });

  test('holds still as a snapshot of Jest', async () => {
    const app = await start();
    expect(app.topology().bindings).toMatchInlineSnapshot(`
[
  {
    "destination": "dead-orders",
    "routingKey": "",
    "source": "dead",
  },
  {
    "destination": "invoices",
    "routingKey": "invoice.*",
    "source": "shop",
  },
  {
    "destination": "orders",
    "routingKey": "order.created",
    "source": "shop",
  },
]
`);
  });
});
