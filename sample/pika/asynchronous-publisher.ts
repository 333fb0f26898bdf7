/**
 * Pika: `asynchronous_publisher_example.py`. A confirmed message in each interval, over any loss of the connection.
 *
 *     npx tsx sample/pika/asynchronous-publisher.ts [exchange] [queue] [routing key] [milliseconds between messages]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, NackError, NotSentError, UnknownOutcomeError } from 'leveret/amqp';

const [exchange = 'message', queue = 'text', routingKey = 'example.text', pause = '1000'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL'], { attempts: 3, heartbeat: 3_600 });
connection.on('lost', ({ cause }) => {
  console.log(`Connection lost: ${cause.message}`);
});
connection.on('recovered', () => {
  console.log('Connection recovered');
});

const channel = await connection.openChannel({ confirm: true });
await channel.exchangeDeclare(exchange, 'topic');
await channel.queueDeclare(queue);
await channel.queueBind(queue, exchange, routingKey);

const stopping = new AbortController();
process.once('SIGINT', () => {
  stopping.abort();
});

const headers = { مفتاح: 'قيمة', 键: '值', キー: '値' };
const body = JSON.stringify('مفتاح قيمة 键 值 キー 値');
const outcomes = { confirmed: 0, rejected: 0, unknown: 0, unsent: 0 };
while (!stopping.signal.aborted) {
  try {
    await channel.publish(exchange, routingKey, body, {
      appId: 'example-publisher',
      contentType: 'application/json',
      headers,
    });
    outcomes.confirmed += 1;
  } catch (error) {
    if (error instanceof NackError) outcomes.rejected += 1;
    else if (error instanceof UnknownOutcomeError) outcomes.unknown += 1;
    else if (error instanceof NotSentError) outcomes.unsent += 1;
    else throw error;
  }
  console.log('Published so far:', outcomes);
  await sleep(Number(pause), undefined, { signal: stopping.signal }).catch(() => undefined);
}

await connection.close();
console.log('Stopped');
