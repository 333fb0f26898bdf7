/**
 * Pika: `asynchronous_consumer_example.py`, `asyncio_consumer_example.py` and `tornado_consumer.py`.
 *
 * A consumer that outlives its connection, one message at a time. Pika's is a class of some thirty callbacks, once for
 * each event loop it may run on; connecting again, declaring again and consuming again is the client's work here, and
 * there is one event loop. As Pika's does, it ends when the broker cancels the consumer or closes the channel.
 *
 *     npx tsx sample/pika/asynchronous-consumer.ts [exchange] [queue] [routing key]
 */
import { connect } from 'leveret/amqp';

const [exchange = 'message', queue = 'text', routingKey = 'example.text'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL'], { recovery: { initialDelay: 100, maxDelay: 30_000 } });
connection.on('lost', ({ cause }) => {
  console.log(`Connection lost, reconnect necessary: ${cause.message}`);
});
connection.on('recovered', ({ restored, duration }) => {
  console.log(`Consuming again after ${duration} ms with ${restored.consumers} consumer`);
});
connection.on('closed', () => {
  console.log('Stopped');
});

const channel = await connection.openChannel({ prefetch: 1 });
channel.on('lost', ({ cause }) => {
  console.log(`Channel was closed: ${cause.message}`);
  void connection.close();
});
channel.on('consumerCancelled', ({ cause }) => {
  console.log(`Consumer was cancelled remotely, shutting down: ${cause.message}`);
  void connection.close();
});

await channel.exchangeDeclare(exchange, 'topic');
await channel.queueDeclare(queue);
await channel.queueBind(queue, exchange, routingKey);
const consumer = await channel.basicConsume(queue, (delivery) => {
  const { appId = 'nobody' } = delivery.properties;
  console.log(`Received message # ${delivery.deliveryTag} from ${appId}: ${delivery.text()}`);
  delivery.ack();
});
console.log(`Consuming as ${consumer.consumerTag}`);

process.once('SIGINT', () => {
  void consumer.cancel().then(() => connection.close());
});
