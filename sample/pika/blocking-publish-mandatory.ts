/**
 * Pika: `blocking_publish_mandatory.py`. A mandatory message that no queue takes comes back, and the publish says so.
 *
 *     npx tsx sample/pika/blocking-publish-mandatory.ts [routing key]
 */
import { connect, UnroutableError } from 'leveret/amqp';

const [routingKey = 'test'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL']);
const channel = await connection.openChannel({ confirm: true });

try {
  await channel.publish('', routingKey, 'Hello World!', { contentType: 'text/plain' }, { mandatory: true });
  console.log('Message was published');
} catch (error) {
  if (!(error instanceof UnroutableError)) throw error;
  console.log(`Message was returned: ${error.replyCode} ${error.replyText}`);
}

await connection.close();
