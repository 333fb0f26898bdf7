/**
 * Pika: `blocking_basic_get.py`. One message from a queue, if there is one.
 *
 *     npx tsx sample/pika/blocking-basic-get.ts [queue]
 */
import { connect } from 'leveret/amqp';

const [queue = 'test'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL']);
const channel = await connection.openChannel();

const message = await channel.basicGet(queue);
if (message) {
  console.log(message.text(), message.properties, `${message.messageCount ?? 0} left`);
  message.ack();
} else {
  console.log('No message returned');
}

await connection.close();
