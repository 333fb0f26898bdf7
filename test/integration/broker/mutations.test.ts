/**
 * Scenario 40 aimed at the broker: seeded mutations of a client's traffic, cut anywhere. Whatever comes out of it, the
 * broker lives, other connections are served, and the pieces in which the bytes came make no difference.
 *
 * `LEVERET_MUTATIONS=100000` runs so many instead of the few hundred of every day.
 */
import fc from 'fast-check';
import { EmbeddedBroker } from 'leveret/broker';
import { ByteWriter, protocolHeader, writeContent } from '../../../lib/amqp/protocol/index.js';
import { method } from './hostile-bytes.js';
import { RawClient } from './raw-client.js';

const runs = Number(process.env['LEVERET_MUTATIONS'] ?? 300);

function content(exchange: string, routingKey: string, body: string): Buffer {
  const writer = new ByteWriter();
  const headers = { text: 'x', number: 7, list: [1, 'two', { three: true }], when: new Date(0) };
  writeContent(
    writer,
    1,
    'basic.publish',
    { exchange, routingKey, mandatory: true },
    { headers, messageId: 'id', expiration: '60000', priority: 3 },
    Buffer.from(body),
    0,
  );
  return Buffer.concat(writer.take());
}

/** What a client says in a life of its own, from the first byte to the last. */
const traffic = Buffer.concat([
  protocolHeader,
  method(0, 'connection.start-ok', { mechanism: 'PLAIN', response: '\0guest\0guest', locale: 'en_US' }),
  method(0, 'connection.tune-ok', { channelMax: 10, frameMax: 131_072, heartbeat: 0 }),
  method(0, 'connection.open', { virtualHost: '/' }),
  method(1, 'channel.open', {}),
  method(1, 'confirm.select', {}),
  method(1, 'basic.qos', { prefetchSize: 0, prefetchCount: 2 }),
  method(1, 'exchange.declare', { exchange: 'e', type: 'topic', arguments: { 'alternate-exchange': 'amq.fanout' } }),
  method(1, 'queue.declare', { queue: 'q', arguments: { 'x-max-length': 10, 'x-dead-letter-exchange': 'e' } }),
  method(1, 'queue.bind', { queue: 'q', exchange: 'e', routingKey: 'a.#' }),
  content('e', 'a.b', 'one'),
  content('e', 'a.c', 'two'),
  content('', 'nobody', ''),
  method(1, 'basic.consume', { queue: 'q', consumerTag: 'c' }),
  method(1, 'basic.ack', { deliveryTag: 1 }),
  method(1, 'basic.nack', { deliveryTag: 2, requeue: true }),
  method(1, 'basic.recover', { requeue: true }),
  method(1, 'basic.cancel', { consumerTag: 'c' }),
  method(1, 'queue.purge', { queue: 'q' }),
  method(1, 'queue.unbind', { queue: 'q', exchange: 'e', routingKey: 'a.#' }),
  method(2, 'channel.open', {}),
  method(2, 'tx.select', {}),
  method(2, 'tx.commit', {}),
  method(2, 'basic.get', { queue: 'q' }),
  method(2, 'channel.close', { replyCode: 200, replyText: '', classId: 0, methodId: 0 }),
]);

const mutation = fc.record({
  kind: fc.constantFrom('change', 'insert', 'delete', 'repeat', 'truncate'),
  at: fc.nat(traffic.length - 1),
  octets: fc.uint8Array({ minLength: 1, maxLength: 8 }),
  length: fc.integer({ min: 1, max: 40 }),
});
type Mutation = typeof mutation extends fc.Arbitrary<infer Value> ? Value : never;

function mutated(bytes: Buffer, { kind, at, octets, length }: Mutation): Buffer {
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (kind) {
    case 'change':
      return Buffer.concat([before, octets, after.subarray(octets.length)]);
    case 'insert':
      return Buffer.concat([before, octets, after]);
    case 'delete':
      return Buffer.concat([before, after.subarray(length)]);
    case 'repeat':
      return Buffer.concat([before, after.subarray(0, length), after]);
    default:
      return before;
  }
}

function pieces(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}

/** The traffic with these pieces on a broker of its own: how it closed, and what is there afterwards. */
async function outcome(bytes: Buffer, size: number): Promise<unknown> {
  const broker = await EmbeddedBroker.start();
  const endpoint = { host: 'memory', port: 0, tls: false };
  const connected = async (): Promise<RawClient> =>
    new RawClient(await broker.memory()(endpoint, new AbortController().signal));
  const bystander = await (await connected()).open();
  const client = await connected();
  client.transport.write(pieces(bytes, size));
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve));
  // A body that comes in pieces is judged before the end of its frame is seen: then the code may be another.
  const closings = client.received.flatMap(({ name, fields }): object[] => {
    if (name === 'channel.close') return [{ name, fields }];
    return name === 'connection.close' ? [{ name }] : [];
  });
  bystander.send(1, 'queue.declare', { queue: 'bystander' });
  await bystander.next('queue.declare-ok');
  client.transport.destroy();
  bystander.transport.destroy();
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(broker.inspect.connections()).toEqual([]);
  const queues = broker.inspect
    .queues()
    .map(({ name, messageCount, unackedCount }) => [name, messageCount, unackedCount]);
  const { bytes: held } = broker.inspect.memory();
  await broker.stop();
  expect(broker.inspect.memory().bytes).toBe(0);
  return { closings, queues, held, exchanges: broker.inspect.exchanges().length };
}

it('scenario 40: mutated traffic of a client ends that client alone, and the same for any pieces', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(mutation, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 50 }),
      async (mutations, size) => {
        const bytes = mutations.reduce(mutated, traffic);
        expect(await outcome(bytes, size)).toEqual(await outcome(bytes, bytes.length || 1));
      },
    ),
    { numRuns: runs },
  );
}, 3_600_000);

it('unmutated it is served to its end: one message was not settled, and is back', async () => {
  expect(await outcome(traffic, 7)).toMatchObject({
    closings: [],
    queues: [
      ['q', 1, 0],
      ['bystander', 0, 0],
    ],
  });
});
