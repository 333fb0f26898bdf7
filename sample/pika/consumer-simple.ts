/**
 * Pika: `consumer_simple.py`. Each order read from one queue binds its ticker to another; a timer runs beside it.
 *
 *     npx tsx sample/pika/consumer-simple.ts [prefix of the exchanges] [milliseconds until hello]
 */
import { connect } from 'leveret/amqp';

interface Order {
  'order.stop.create': { data: { params: { condition: { ticker?: string } } } };
}

const [prefix = 'com.micex', delay = '5000'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL']);
process.once('SIGINT', () => void connection.close());
const mainChannel = await connection.openChannel();
const consumerChannel = await connection.openChannel();
const bindChannel = await connection.openChannel();

await mainChannel.exchangeDeclare(`${prefix}.sten`, 'direct');
await mainChannel.exchangeDeclare(`${prefix}.lasttrades`, 'direct');
const { queue: orders } = await mainChannel.queueDeclare('', { exclusive: true });
const { queue: tickers } = await mainChannel.queueDeclare('', { exclusive: true });
await mainChannel.queueBind(orders, `${prefix}.sten`, 'order.stop.create');

setTimeout(() => {
  console.log('Hello world');
}, Number(delay)).unref();

await consumerChannel.basicConsume<Order>(
  orders,
  async (delivery) => {
    const order = delivery.json()['order.stop.create'];
    const { ticker } = order.data.params.condition;
    if (ticker === undefined) return;
    console.log(`got ticker ${ticker}, gonna bind it...`);
    await bindChannel.queueBind(tickers, `${prefix}.lasttrades`, ticker);
    console.log(`ticker ${ticker} bound ok`);
  },
  { noAck: true },
);
console.log('consuming');
