/**
 * Pika: `confirmation.py` and `publisher_confirms_threaded.py`. Many publishes in flight, each with its own outcome.
 *
 * No delivery tags are kept and no `multiple` is unrolled: each publish is a promise.
 *
 *     npx tsx sample/pika/confirmation.ts [exchange] [routing key]
 */
import { connect } from 'leveret/amqp';

const iterations = 100;
const [exchange = 'test', routingKey = 'test.confirm'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL'], { attempts: 50 });
const channel = await connection.openChannel({ confirm: true });

const outcomes = await Promise.allSettled(
  Array.from({ length: iterations }, () =>
    channel.publish(exchange, routingKey, 'message body value', { contentType: 'text/plain' }),
  ),
);
const confirmed = outcomes.filter(({ status }) => status === 'fulfilled').length;
console.log(`published ${outcomes.length}, confirmed ${confirmed}, ${outcomes.length - confirmed} errors`);

await connection.close();
