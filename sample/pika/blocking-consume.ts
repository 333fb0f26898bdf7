/**
 * Pika: `blocking_consume.py`. A callback for each message, until Ctrl-C.
 *
 * `start_consuming` has no counterpart: the consumer is at work once `basicConsume` resolved, and the open connection
 * keeps the process alive.
 *
 *     npx tsx sample/pika/blocking-consume.ts [queue]
 */
import { connect } from 'leveret/amqp';

const [queue = 'test'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL']);
process.once('SIGINT', () => void connection.close());
const channel = await connection.openChannel();

await channel.basicConsume(queue, (delivery) => {
  console.log(delivery.deliveryTag, delivery.text());
  delivery.ack();
});
console.log('consuming');
