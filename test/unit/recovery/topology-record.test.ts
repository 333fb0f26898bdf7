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
});
