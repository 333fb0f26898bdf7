/**
 * A program of its own, for tests of what a whole process shows: it connects, works, loses its connection with
 * publishes in flight, closes, and must then exit by itself. Prints nothing but what the client itself lets out.
 */
import { connect } from '../../../lib/amqp/index.js';
import { Cuts } from '../cuts.js';

const cuts = new Cuts();
const connection = await connect(process.env['AMQP_URL'], {
  transport: cuts.transport,
  recovery: { initialDelay: 5, maxDelay: 20 },
});
const channel = await connection.openChannel({ confirm: true, prefetch: 5 });
const { queue } = await channel.queueDeclare('', { exclusive: true });
await channel.basicConsume(queue, (delivery) => {
  setTimeout(() => delivery.ack(), 5);
});
const recovered = new Promise((resolve) => connection.once('recovered', resolve));
// Nobody looks at the outcome of these until after the loss.
const publishes = Array.from({ length: 500 }, (_none, index) => channel.publish('', queue, String(index)));
const settled = Promise.allSettled(publishes);
setTimeout(() => cuts.cutAll(), 2);
await recovered;
await settled;
await connection.close();
