/**
 * Pika: both recovery loops of its README, by the client's own recovery.
 *
 * The consumer is set up once and comes back after each loss. The delay before an attempt is drawn at random below a
 * bound that doubles up to `maxDelay`. `when` says what is not to be recovered from: the broker closed the connection,
 * or the channel.
 *
 *     npx tsx sample/pika/readme-recovery-built-in.ts [queue] [delay in milliseconds]
 */
import { ChannelError, connect, ConnectionClosedByBrokerError } from 'leveret/amqp';

const [queue = 'test', delay = '5000'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL'], {
  recovery: {
    initialDelay: Number(delay),
    maxDelay: 60_000,
    when: (cause) => !(cause instanceof ConnectionClosedByBrokerError || cause instanceof ChannelError),
  },
});
process.once('SIGINT', () => void connection.close());
connection.on('reconnecting', ({ attempt, delay: milliseconds, cause }) => {
  console.log(`recovering, attempt ${attempt} in ${milliseconds} ms: ${cause.message}`);
});
connection.on('recovered', () => {
  console.log('consuming');
});
connection.on('failed', ({ cause }) => {
  console.log(`not recovering: ${cause.message}`);
});

const channel = await connection.openChannel();
channel.on('closed', ({ cause }) => {
  if (connection.isOpen) console.log(`not recovering: ${cause.message}`);
  void connection.close();
});
await channel.basicConsume(queue, (delivery) => {
  console.log(delivery.text());
  delivery.ack();
});
console.log('consuming');
