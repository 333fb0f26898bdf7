/**
 * Pika: `basic_consumer_threaded.py`. A handler that computes for longer than the heartbeat lasts.
 *
 * Node runs the handler in the thread that would send the heartbeats. With `ioThread` socket and heartbeats live in a
 * thread of their own: the connection survives, and so does the message.
 *
 * Run it compiled: on Node 20 `tsx` does not reach into worker threads.
 *
 *     npm run build && npx tsc --project sample/tsconfig.json
 *     node build/sample/pika/basic-consumer-threaded.js [exchange] [queue] [heartbeat in seconds] [milliseconds of work]
 */
import { connect } from 'leveret/amqp';

const [exchange = 'test_exchange', queue = 'standard', heartbeat = '5', work = '15000'] = process.argv.slice(2);

function computeFor(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end) Math.sqrt(Math.random());
}

const connection = await connect(process.env['AMQP_URL'], { heartbeat: Number(heartbeat), ioThread: true });
process.once('SIGINT', () => void connection.close());
connection.on('lost', ({ cause }) => {
  console.log(`lost: ${cause.message}`);
});
const channel = await connection.openChannel({ prefetch: 1 });
await channel.exchangeDeclare(exchange, 'direct');
await channel.queueDeclare(queue);
await channel.queueBind(queue, exchange, 'standard_key');
await channel.basicConsume(queue, (delivery) => {
  console.log(`received ${delivery.text()}`);
  computeFor(Number(work));
  console.log(`settled ${delivery.text()}: ${delivery.ack()}`);
});
console.log(`Consuming from ${queue}. Ctrl-C to stop.`);
