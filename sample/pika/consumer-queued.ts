/**
 * Pika: `consumer_queued.py`. As `consumer-simple.ts`, with the messages put into a buffer that is worked off in order.
 *
 * Pika needs a lock here, and drops out of the callback where it is taken; a pull loop takes one message after the
 * other by itself, and the stream is the buffer.
 *
 *     npx tsx sample/pika/consumer-queued.ts [prefix of the exchanges]
 */
import { connect } from 'leveret/amqp';

interface Order {
  'order.stop.create': { data: { params: { condition: { ticker?: string } } } };
}

const [prefix = 'com.micex'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL']);
process.once('SIGINT', () => void connection.close());

const mainChannel = await connection.openChannel();
await mainChannel.exchangeDeclare(`${prefix}.sten`, 'direct');
await mainChannel.exchangeDeclare(`${prefix}.lasttrades`, 'direct');
const { queue: orders } = await mainChannel.queueDeclare('', { exclusive: true });
const { queue: tickers } = await mainChannel.queueDeclare('', { exclusive: true });
await mainChannel.queueBind(orders, `${prefix}.sten`, 'order.stop.create');
console.log('consuming');

const consumerChannel = await connection.openChannel();
for await (const delivery of consumerChannel.consume<Order>(orders, { noAck: true })) {
  const { ticker } = delivery.json()['order.stop.create'].data.params.condition;
  if (ticker === undefined) continue;
  console.log(`got ticker ${ticker}, gonna bind it...`);
  await mainChannel.queueBind(tickers, `${prefix}.lasttrades`, ticker);
  console.log(`ticker ${ticker} bound ok`);
}
console.log('the connection was closed, and the loop ended');
