/**
 * Pika: the second recovery loop of its README. As the first, after a delay that grows by a random step each time.
 *
 *     npx tsx sample/pika/readme-recovery-retry.ts [queue] [delay in milliseconds]
 */
import { connect, ConnectionClosedByBrokerError, ConnectionError } from 'leveret/amqp';
import { retry } from './retry.js';

const [queue = 'test', delay = '5000'] = process.argv.slice(2);

async function consume(): Promise<void> {
  const connection = await connect(process.env['AMQP_URL'], { recovery: false });
  const stop = (): void => void connection.close();
  process.once('SIGINT', stop);
  try {
    const channel = await connection.openChannel();
    console.log('consuming');
    for await (const delivery of channel.consume(queue)) {
      console.log(delivery.text());
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
