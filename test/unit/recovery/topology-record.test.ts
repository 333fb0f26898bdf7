/** What is remembered, once, and what is forgotten. */
import { TopologyRecord, type QueueRecord } from '../../../lib/amqp/recovery/topology-record.js';

const exchange = { type: 'direct', durable: true, autoDelete: false, internal: false, arguments: {} };
const queue: Omit<QueueRecord, 'name'> = {
  isServerNamed: false,
  durable: true,
  exclusive: false,
  autoDelete: false,
  arguments: {},
};
const binding = { kind: 'queue', source: 'e', destination: 'q', routingKey: 'k', arguments: {} } as const;

describe('the topology record', () => {
  test('remembers each entity once; bindings that differ only in arguments are two', () => {
    const record = new TopologyRecord();
    for (let round = 0; round < 2; round++) {
      record.addExchange({ ...exchange, name: 'e' });
      record.addQueue({ ...queue, name: 'q' });
      record.addBinding(binding);
      record.addBinding({ ...binding, arguments: { a: 1, b: [2n, Buffer.from('x')] } });
      record.addBinding({ ...binding, arguments: { b: [2n, Buffer.from('x')], a: 1 } });
    }
    expect(record.exchanges).toHaveLength(1);
    expect(record.queues).toHaveLength(1);
    expect(record.bindings).toHaveLength(2);
    record.removeBinding({ ...binding, arguments: { b: [2n, Buffer.from('x')], a: 1 } });
    expect(record.bindings).toEqual([binding]);
  });

  test('deleting an entity forgets its bindings, and only those', () => {
    const record = new TopologyRecord();
    record.addBinding(binding);
    record.addBinding({ ...binding, destination: 'other' });
    record.addBinding({ ...binding, kind: 'exchange', source: 'other', destination: 'e' });
    record.addBinding({ ...binding, kind: 'exchange', source: 'other', destination: 'q' });
    record.removeQueue('q');
    expect(record.bindings.map(({ kind, destination }) => `${kind} ${destination}`)).toEqual([
      'queue other',
      'exchange e',
      'exchange q',
    ]);
    record.removeExchange('e');
    expect(record.bindings.map(({ kind, destination }) => `${kind} ${destination}`)).toEqual(['exchange q']);
  });

  test('a renamed queue takes its bindings along', () => {
    const record = new TopologyRecord();
    record.addQueue({ ...queue, name: 'q', isServerNamed: true });
    record.addBinding(binding);
    record.addBinding({ ...binding, destination: 'other' });
    record.renameQueue('q', 'new');
    record.renameQueue('unknown', 'x');
    expect(record.queues.map(({ name }) => name)).toEqual(['new']);
    expect(record.bindings.map(({ destination }) => destination).sort()).toEqual(['new', 'other']);
  });

  test('an auto-delete exchange goes with the last binding that leads from it, and takes others along', () => {
    const record = new TopologyRecord();
    for (const name of ['e', 'f']) record.addExchange({ ...exchange, name, autoDelete: true });
    record.addExchange({ ...exchange, name: 'kept' });
    record.addBinding({ ...binding, source: 'e', destination: 'q' });
    record.addBinding({ ...binding, source: 'f', kind: 'exchange', destination: 'e' });
    record.addBinding({ ...binding, source: 'kept', kind: 'exchange', destination: 'e' });
    record.addBinding({ ...binding, source: 'kept', destination: 'q' });
    record.removeQueue('q');
    expect(record.exchanges.map(({ name }) => name)).toEqual(['kept']);
    expect(record.bindings).toEqual([]);
  });

  test('an auto-delete exchange with another binding left stays, and so does one that never had any', () => {
    const record = new TopologyRecord();
    for (const name of ['e', 'unbound']) record.addExchange({ ...exchange, name, autoDelete: true });
    record.addBinding(binding);
    record.addBinding({ ...binding, routingKey: 'other' });
    record.removeBinding(binding);
    record.removeBinding(binding);
    expect(record.exchanges).toHaveLength(2);
  });

  test('says who declared what, each once, the first one first', () => {
    const record = new TopologyRecord();
    for (const name of ['orders', 'billing', 'orders']) {
      record.addQueue({ ...queue, name: 'q', declaredBy: [name] });
      record.addBinding({ ...binding, declaredBy: [name] });
    }
    expect(record.queue('q')?.declaredBy).toEqual(['orders', 'billing']);
    expect(record.bindingsAt('exchange', 'e')[0]?.declaredBy).toEqual(['orders', 'billing']);
  });
});
