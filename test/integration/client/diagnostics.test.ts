/** What `node:diagnostics_channel` is told, by its documented shapes. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { channel as diagnosticsChannel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  connect,
  type CloseDiagnostics,
  type ConnectDiagnostics,
  type DeliverDiagnostics,
  type PublishDiagnostics,
  type PublishOutcomeDiagnostics,
  type RecoverDiagnostics,
  type SettleDiagnostics,
} from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { rejection, until } from '../../support/waiting.js';

describeOnBroker('diagnostics', (broker) => {
  const undo: (() => void)[] = [];

  function record<Event>(name: string): Event[] {
    const events: Event[] = [];
    const listener = (event: unknown): void => {
      events.push(event as Event);
    };
    subscribe(name, listener);
    undo.push(() => unsubscribe(name, listener));
    return events;
  }

  afterEach(() => {
    for (const one of undo.splice(0)) one();
  });

  test('a connection’s life: connect, close, recover', async () => {
    const connects = record<ConnectDiagnostics>('leveret:connect');
    const closes = record<CloseDiagnostics>('leveret:close');
    const recoveries = record<RecoverDiagnostics>('leveret:recover');
    const cuts = new Cuts();
    const { host } = new URL(broker.url);
    const connection = await connect(broker.url, {
      connectionName: 'watched',
      transport: cuts.transport,
      recovery: { initialDelay: 10, maxDelay: 200 },
    });
    expect(connects).toMatchObject([{ connection: { name: 'watched', endpoint: host }, error: undefined }]);
    expect(connects[0]?.duration).toBeGreaterThan(0);
    const recovered = new Promise((resolve) => connection.once('recovered', resolve));
    cuts.cutAll();
    await recovered;
    expect(closes).toMatchObject([
      { connection: { name: 'watched', endpoint: host }, cause: { name: 'ConnectionLostError' } },
    ]);
    expect(recoveries).toMatchObject([{ connection: { name: 'watched' }, epoch: 2, attempts: 1, broken: 0 }]);
    await connection.close();
    expect(closes.map(({ cause }) => cause.name)).toEqual(['ConnectionLostError', 'ConnectionClosedError']);
    await rejection(connect('amqp://guest:guest@127.0.0.1:1', { connectionName: 'nobody' }));
    expect(connects.at(-1)).toMatchObject({
      connection: { name: 'nobody', endpoint: '127.0.0.1:1' },
      error: { name: 'ConnectionRefusedError' },
    });
  });

  test('a message’s way: publish with a header added, its outcome, deliver with a context, settle', async () => {
    const publishes = record<PublishDiagnostics>('leveret:publish');
    const outcomes = record<PublishOutcomeDiagnostics>('leveret:publish:outcome');
    const deliveries = record<DeliverDiagnostics>('leveret:deliver');
    const settlements = record<SettleDiagnostics>('leveret:settle');
    const addTrace = (event: unknown): void => {
      (event as PublishDiagnostics).addHeader('traceparent', '00-abc-01');
    };
    subscribe('leveret:publish', addTrace);
    undo.push(() => unsubscribe('leveret:publish', addTrace));
    const storage = new AsyncLocalStorage<string>();
    const deliverChannel = diagnosticsChannel('leveret:deliver');
    deliverChannel.bindStore(storage, (event) => (event as DeliverDiagnostics).routingKey);
    undo.push(() => deliverChannel.unbindStore(storage));

    const connection = await connect(broker.url);
    const channel = await connection.openChannel({ confirm: true });
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    const headers = { own: 1 };
    await channel.publish('', queue, 'seen', { headers, messageId: 'm1' });
    await rejection(channel.publish('', 'nowhere at all', 'lost', {}, { mandatory: true }));
    expect(headers).toEqual({ own: 1 });
    expect(publishes).toMatchObject([
      { exchange: '', routingKey: queue, mandatory: false, properties: { messageId: 'm1', headers: { own: 1 } } },
      { routingKey: 'nowhere at all', mandatory: true },
    ]);
    expect(publishes[0]?.channel.number).toBe(channel.number);
    expect(outcomes.map(({ publish, error }) => [publish, error?.name])).toEqual([
      [publishes[0], undefined],
      [publishes[1], 'UnroutableError'],
    ]);

    let context: string | undefined;
    const consumer = await channel.basicConsume(queue, async (delivery) => {
      await Promise.resolve();
      context = storage.getStore();
      expect(delivery.headers['traceparent']).toBe('00-abc-01');
      delivery.ack();
    });
    await until('it is settled', () => settlements.length === 1);
    expect(context).toBe(queue);
    expect(deliveries).toMatchObject([
      { consumerTag: consumer.consumerTag, deliveryTag: 1, redelivered: false, routingKey: queue },
    ]);
    expect(deliveries[0]?.properties.messageId).toBe('m1');
    expect(settlements).toMatchObject([{ kind: 'ack', deliveryTag: 1, multiple: false, result: 'sent' }]);
    await connection.close();
  });
});
