/**
 * Pika: `twisted_service.py`. A service that answers requests and runs tasks, two at a time.
 *
 * A message with the routing key `request1`, `request2` or `request3` is answered with its body under `response`; one
 * with `task` starts a task of two seconds. What succeeded is acknowledged, what failed goes back to its queue.
 *
 *     npx tsx sample/pika/twisted-service.ts [exchange] [milliseconds of a task]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type Delivery } from 'leveret/amqp';

const [exchange = 'foobar', duration = '2000'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL']);
process.once('SIGINT', () => void connection.close());
const channel = await connection.openChannel({ confirm: true, prefetch: 2 });
await channel.exchangeDeclare(exchange, 'topic');

async function respond(request: Delivery): Promise<void> {
  await channel.publish(exchange, 'response', request.body, { persistent: true });
}

async function runTask(): Promise<void> {
  await sleep(Number(duration));
  console.log('task completed');
}

async function read(routingKey: string, handle: (delivery: Delivery) => Promise<void>): Promise<void> {
  const queue = `${exchange}.${routingKey}`;
  await channel.queueDeclare(queue);
  await channel.queueBind(queue, exchange, routingKey);
  await channel.basicConsume(queue, async (delivery) => {
    console.log(`${delivery.exchange} (${delivery.routingKey}): ${delivery.text()}`);
    try {
      await handle(delivery);
      delivery.ack();
    } catch {
      delivery.nack();
    }
  });
}

await read('request1', respond);
await read('request2', respond);
await read('request3', respond);
await read('task', runTask);
console.log('serving');
