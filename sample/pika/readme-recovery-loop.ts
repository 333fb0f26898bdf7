/**
 * Pika: the first recovery loop of its README.
 *
 * The client's own recovery is off, and a loss ends the loop over the messages with its cause: closed by the broker, or
 * an error of the channel, is the end; anything else that happens to the connection is a reason to start again.
 *
 *     npx tsx sample/pika/readme-recovery-loop.ts [queue]
 */
import { ChannelError, connect, ConnectionClosedByBrokerError, ConnectionError } from 'leveret/amqp';

const [queue = 'test'] = process.argv.slice(2);

async function consume(): Promise<void> {
  const connection = await connect(process.env['AMQP_URL'], { recovery: false, attempts: Infinity, retryDelay: 500 });
  const stop = (): void => void connection.close();
  process.once('SIGINT', stop);
  try {
    const channel = await connection.openChannel();
    console.log('consuming');
    for await (const delivery of channel.consume(queue)) {
      console.log(delivery.text());
      delivery.ack();
    }
  } finally {
    process.off('SIGINT', stop);
    await connection.close();
  }
}

for (;;) {
  try {
    await consume();
    break;
  } catch (error) {
    // Do not recover if the connection was closed by the broker, nor on channel errors.
    if (error instanceof ConnectionClosedByBrokerError || error instanceof ChannelError) {
      console.log(`not recovering: ${error.message}`);
      break;
    }
    // Recover on all other connection errors. (A wrong password does not get better.)
    if (!(error instanceof ConnectionError && error.recoverable)) throw error;
    console.log(`recovering: ${error.message}`);
  }
}
