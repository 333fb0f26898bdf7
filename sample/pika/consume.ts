/**
 * Pika: `consume.py`. An exchange, a queue of our own, and one message at a time.
 *
 *     npx tsx sample/pika/consume.ts [exchange] [queue] [routing key]
 */
import { connect, type Delivery } from 'leveret/amqp';

const [exchange = 'test_exchange', queue = 'standard', routingKey = 'standard_key'] = process.argv.slice(2);

// Where Pika binds further arguments with `functools.partial`, a closure has them.
function onMessage(userData: string): (delivery: Delivery) => void {
  return (delivery) => {
    console.log(`Delivery properties: ${delivery.exchange} ${delivery.routingKey}`, delivery.properties);
    console.log(`User data: ${userData}, message body: ${delivery.text()}`);
    delivery.ack();
  };
}

const connection = await connect(process.env['AMQP_URL']);
process.once('SIGINT', () => void connection.close());
const channel = await connection.openChannel({ prefetch: 1 });
await channel.exchangeDeclare(exchange, 'direct');
await channel.queueDeclare(queue, { exclusive: true });
await channel.queueBind(queue, exchange, routingKey);
await channel.basicConsume(queue, onMessage('on_message_userdata'));
console.log('consuming');
