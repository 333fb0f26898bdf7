/**
 * Pika: `blocking_consume_recover_multiple_hosts.py`. Several brokers, and a consumer that moves on to the next one.
 *
 * Each attempt walks the whole list in a random order. Exchange, queue, binding, prefetch and consumer come back with
 * the connection. As in Pika's program, what the broker closed on purpose, connection or channel, stays closed.
 *
 *     AMQP_URL="amqp://node1 amqp://node2" npx tsx sample/pika/blocking-consume-recover-multiple-hosts.ts [exchange] [queue]
 */
import { connect, ConnectionClosedByBrokerError, type AmqpError } from 'leveret/amqp';

const [exchange = 'test_exchange', queue = 'standard'] = process.argv.slice(2);
const nodes = process.env['AMQP_URL'] ?? 'amqp://localhost:5672 amqp://localhost:5673 amqp://localhost:5674';

const connection = await connect(nodes.split(' '), { order: 'shuffled' });
process.once('SIGINT', () => void connection.close());
const channel = await connection.openChannel({ prefetch: 1 });
await channel.exchangeDeclare(exchange, 'direct');
await channel.queueDeclare(queue, { autoDelete: true });
await channel.queueBind(queue, exchange, 'standard_key');
await channel.basicConsume(queue, (delivery) => {
  console.log(`Message body: ${delivery.text()}`);
  delivery.ack();
});
console.log('consuming');

function giveUp(cause: AmqpError): void {
  console.log(`not recovering: ${cause.message}`);
  void connection.close();
}
connection.on('lost', ({ cause }) => {
  if (cause instanceof ConnectionClosedByBrokerError) giveUp(cause);
  else console.log('connecting again');
});
channel.on('lost', ({ cause }) => giveUp(cause));
connection.on('recovered', () => {
  console.log('recovered');
});
