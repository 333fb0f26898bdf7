/**
 * Pika: `blocking_consume_recover_multiple_hosts_retry.py`, and the second recovery loop of its README.
 *
 * The client's own recovery is off; the program starts again by itself, later each time. A connection that the broker
 * closed is not tried again. (Both are what `recovery` does with less; see `readme-recovery-built-in.ts`.)
 *
 *     AMQP_URL="amqp://node1 amqp://node2" npx tsx \
 *       sample/pika/blocking-consume-recover-multiple-hosts-retry.ts [queue] [delay in milliseconds]
 */
import { connect, ConnectionClosedByBrokerError, ConnectionError } from 'leveret/amqp';
import { retry } from './retry.js';

const [queue = 'recovery-example', delay = '5000'] = process.argv.slice(2);
const nodes = process.env['AMQP_URL'] ?? 'amqp://node1 amqp://node2 amqp://node3';

async function consume(): Promise<void> {
  const connection = await connect(nodes.split(' '), { order: 'shuffled', recovery: false });
  const stop = (): void => void connection.close();
  process.once('SIGINT', stop);
  try {
    const channel = await connection.openChannel({ prefetch: 1 });
    await channel.queueDeclare(queue, { autoDelete: true });
    console.log('consuming');
    for await (const delivery of channel.consume(queue)) {
      console.log(delivery.deliveryTag, delivery.text());
      delivery.ack();
    }
  } catch (error) {
    // Do not recover connections closed by the broker.
    if (!(error instanceof ConnectionClosedByBrokerError)) throw error;
    console.log(`not recovering: ${error.message}`);
  } finally {
    process.off('SIGINT', stop);
    await connection.close();
  }
}

await retry(consume, {
  delay: Number(delay),
  jitter: [1_000, 3_000],
  when: (error) => error instanceof ConnectionError && error.recoverable,
});
