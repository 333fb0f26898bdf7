/**
 * Pika: `blocking_consume_tls.py`. As `blocking-consume.ts`, over TLS, with more parameters.
 *
 * As in Pika's program the broker's certificate is not checked, which is for trying things out: anybody in between can
 * read the password.
 *
 *     AMQP_URL=amqps://localhost npx tsx sample/pika/blocking-consume-tls.ts [queue]
 */
import { connect } from 'leveret/amqp';

const [queue = 'test'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL'] ?? 'amqps://localhost', {
  heartbeat: 150,
  tls: { rejectUnauthorized: false },
  channelMax: 10,
  connectionName: 'connection with TLS, channelMax',
});
process.once('SIGINT', () => void connection.close());
const channel = await connection.openChannel();
await channel.queueDeclare(queue);
await channel.basicConsume(queue, (delivery) => {
  console.log(delivery.deliveryTag, delivery.text());
  delivery.ack();
});
console.log('consuming');
