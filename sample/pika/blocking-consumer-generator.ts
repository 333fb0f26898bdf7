/**
 * Pika: `blocking_consumer_generator.py`, and the consumer of its README. Ten messages in a loop, and no more.
 *
 *     npx tsx sample/pika/blocking-consumer-generator.ts [queue]
 */
import { connect } from 'leveret/amqp';

const [queue = 'test'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL']);
const channel = await connection.openChannel();

const messages = channel.consume(queue);
let count = 0;
for await (const delivery of messages) {
  console.log(delivery.deliveryTag, delivery.properties, delivery.text());
  delivery.ack();
  count += 1;
  if (count === 10) break;
}
// Leaving the loop cancelled the consumer and gave back what had come ahead.
console.log(`Requeued ${messages.requeued} messages`);

await channel.close();
await connection.close();
