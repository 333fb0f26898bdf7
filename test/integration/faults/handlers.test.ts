/** Listeners that do what users do in them: declare, publish, consume, close, throw. */
import { jest } from '@jest/globals';
import type { Connection, ConnectionEvents } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { until } from '../../support/waiting.js';
import { Standards, type Witness } from './support.js';

describeOnBroker('listeners', (broker) => {
  const standards = new Standards();
  const events = ['lost', 'reconnecting', 'recovered'] as const satisfies (keyof ConnectionEvents)[];

  /** A connection with one consumer, which is cut; `act` is called in that event. */
  async function cutWith(
    event: (typeof events)[number],
    act: (connection: Connection) => unknown,
  ): Promise<{ readonly witness: Witness; readonly warnings: readonly string[]; readonly othersCalled: number }> {
    const proxy = await standards.proxy(broker.url);
    const witness = await standards.connect(proxy.url);
    const { connection } = witness;
    const channel = await connection.openChannel({ confirm: true });
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    await channel.basicConsume(queue, (delivery) => delivery.ack());
    const warnings: string[] = [];
    const emitted = jest
      .spyOn(process, 'emitWarning')
      .mockImplementation((warning) => void warnings.push(String(warning)));
    let othersCalled = 0;
    connection.once(event, () => act(connection));
    connection.once(event, () => (othersCalled += 1));
    proxy.cut();
    await until('it ends', () => witness.recoveries.length > 0 || witness.events.includes('closed'));
    // A rejection is told in a later turn.
    await new Promise((resolve) => setImmediate(resolve));
    emitted.mockRestore();
    return { witness, warnings, othersCalled };
  }

  test.each(events)(
    'scenario 10: that declare, publish and consume in `%s`: no deadlock, all of it done',
    async (event) => {
      const queue = broker.unique('in-handler');
      const bodies: string[] = [];
      let done: Promise<void> | undefined;
      const { witness } = await cutWith(event, (connection) => {
        done = (async () => {
          const channel = await connection.openChannel({ confirm: true });
          await channel.queueDeclare(queue, { autoDelete: true });
          await channel.basicConsume(queue, (delivery) => {
            bodies.push(delivery.text());
            delivery.ack();
          });
          await channel.publish('', queue, 'from the handler');
        })();
      });
      await done;
      await until('it came', () => bodies.length === 1);
      witness.expectOutages(1);
      expect(witness.connection.topology.queues.map(({ name }) => name)).toContain(queue);
    },
  );

  test.each(events)(
    'scenario 10: that close the connection in `%s`: it is closed, and nothing comes after it',
    async (event) => {
      let closed: Promise<void> | undefined;
      const { witness } = await cutWith(event, (connection) => {
        closed = connection.close();
      });
      await closed;
      expect(witness.events).toEqual(event === 'recovered' ? ['lost', 'recovered', 'closed'] : ['lost', 'closed']);
      expect(witness.connection.state).toBe('closed');
    },
  );

  test.each(events)(
    'scenario 10: that throw or reject in `%s`: told as a warning, and nobody else is harmed',
    async (event) => {
      const thrown = await cutWith(event, () => {
        throw new Error('thrown in a handler');
      });
      expect(thrown.othersCalled).toBe(1);
      expect(thrown.warnings.join()).toContain('thrown in a handler');
      thrown.witness.expectOutages(1);
      const rejected = await cutWith(event, () => Promise.reject(new Error('rejected in a handler')));
      expect(rejected.othersCalled).toBe(1);
      expect(rejected.warnings.join()).toContain('rejected in a handler');
      rejected.witness.expectOutages(1);
    },
  );
});
