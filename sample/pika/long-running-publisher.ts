/**
 * Pika: `long_running_publisher.py` and `long_running_publisher_threaded.py`. A message now and then, until Ctrl-C.
 *
 * Pika needs a thread that calls `process_data_events`, so that heartbeats go out between two messages. Node's event
 * loop does that while the program sleeps.
 *
 *     npx tsx sample/pika/long-running-publisher.ts [queue] [milliseconds between messages]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'leveret/amqp';

const [queue = 'downstream_queue', pause = '1000'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL']);
const channel = await connection.openChannel({ confirm: true });
await channel.queueDeclare(queue, { autoDelete: true });

const stopping = new AbortController();
process.once('SIGINT', () => {
  stopping.abort();
});

for (let count = 0; !stopping.signal.aborted; count += 1) {
  console.log(`Publishing: Message ${count}`);
  await channel.publish('', queue, `Message ${count}`);
  await sleep(Number(pause), undefined, { signal: stopping.signal }).catch(() => undefined);
}

console.log('Stopping...');
await connection.close();
console.log('Stopped');
