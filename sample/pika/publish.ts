/**
 * Pika: `publish.py`. Three messages with a pause between them; the connection's heartbeats go on meanwhile.
 *
 *     npx tsx sample/pika/publish.ts [exchange] [milliseconds between messages]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'leveret/amqp';

const [exchange = 'test_exchange', pause = '5000'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL']);
const channel = await connection.openChannel();
await channel.exchangeDeclare(exchange, 'direct');

console.log('Sending message to create a queue');
channel.basicPublish(exchange, 'standard_key', 'queue:group', { contentType: 'text/plain' });
await sleep(Number(pause));

console.log('Sending text message to group');
channel.basicPublish(exchange, 'group_key', 'Message to group_key', { contentType: 'text/plain' });
await sleep(Number(pause));

console.log('Sending text message');
channel.basicPublish(exchange, 'standard_key', 'Message to standard_key', { contentType: 'text/plain' });

await connection.close();
