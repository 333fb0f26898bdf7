/**
 * Pika: `comparing_publishing_sync.py`, `comparing_publishing_async.py`, and the publisher of its README.
 *
 * Pika has two ways to write this, one that blocks and one of callbacks. Here the one that reads like the first is as
 * asynchronous as the second. Closing the connection sends what was published before it.
 *
 *     npx tsx sample/pika/comparing-publishing.ts [exchange] [routing key]
 */
import { connect } from 'leveret/amqp';

const [exchange = 'test_exchange', routingKey = 'test_routing_key'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL']);
const channel = await connection.openChannel();

channel.basicPublish(exchange, routingKey, 'message body value', { contentType: 'text/plain', deliveryMode: 1 });

await connection.close();
