/**
 * Pika: `connecting_async.py`. Connect, publish, and hear of the end of the connection as an event.
 *
 *     npx tsx sample/pika/connecting-async.ts [exchange] [routing key]
 */
import { connect } from 'leveret/amqp';

const [exchange = 'exchange_name', routingKey = 'routing_key'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL']);
connection.on('closed', () => {
  console.log('Connection closed');
});

const channel = await connection.openChannel();
channel.basicPublish(exchange, routingKey, 'Test Message', { contentType: 'text/plain', type: 'example' });

await connection.close();
