/**
 * Pika: `basic_publisher_threaded.py`. Five threads publish over one connection.
 *
 * `connection.share()` gives a port, which a worker thread makes a connection of; the socket stays where it is. Each
 * worker has its own channel and the same promises.
 *
 * Run it compiled: on Node 20 `tsx` does not reach into worker threads.
 *
 *     npm run build && npx tsc --project sample/tsconfig.json
 *     node build/sample/pika/basic-publisher-threaded.js [exchange] [queue]
 */
import { once } from 'node:events';
import { isMainThread, Worker, workerData, type MessagePort } from 'node:worker_threads';
import { connect, connectShared } from 'leveret/amqp';

const routingKey = 'standard_key';

async function publishFromWorker(): Promise<void> {
  const { port, exchange, name } = workerData as { port: MessagePort; exchange: string; name: string };
  const connection = await connectShared(port);
  const channel = await connection.openChannel({ confirm: true });
  await channel.publish(exchange, routingKey, `message ${name}`, { contentType: 'text/plain', persistent: true });
  console.log(`Thread ${name}: confirmed`);
  await connection.close();
}

async function main(): Promise<void> {
  const [exchange = 'test_exchange', queue = 'standard'] = process.argv.slice(2);
  const connection = await connect(process.env['AMQP_URL']);
  const channel = await connection.openChannel();
  await channel.exchangeDeclare(exchange, 'direct');
  await channel.queueDeclare(queue);
  await channel.queueBind(queue, exchange, routingKey);

  const workers = ['1', '2', '3', '4', '5'].map((name) => {
    const port = connection.share();
    return new Worker(new URL(import.meta.url), { workerData: { port, exchange, name }, transferList: [port] });
  });
  await Promise.all(workers.map((worker) => once(worker, 'exit')));

  console.log('All published, closing connection');
  await connection.close();
}

await (isMainThread ? main() : publishFromWorker());
