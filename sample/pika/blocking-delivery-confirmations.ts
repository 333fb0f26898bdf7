/**
 * Pika: `blocking_delivery_confirmations.py`. A publish is over when the broker took responsibility for the message.
 *
 *     npx tsx sample/pika/blocking-delivery-confirmations.ts [queue]
 */
import { connect, PublishError } from 'leveret/amqp';

const [queue = 'test'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL']);
const channel = await connection.openChannel({ confirm: true });
await channel.queueDeclare(queue);

try {
  await channel.publish('', queue, 'Hello World!', { contentType: 'text/plain', deliveryMode: 1 });
  console.log('Message publish was confirmed');
} catch (error) {
  if (!(error instanceof PublishError)) throw error;
  console.log(`Message could not be confirmed: ${error.message}`);
}

await connection.close();
