/**
 * Pika: `heartbeat_and_blocked_timeouts.py`.
 *
 * A broker short of memory or disk blocks the connections that publish, for as long as it likes. With `blockedTimeout`
 * such a connection is given up; `close` never waits longer than `closeTimeout`, blocked or not.
 *
 *     npx tsx sample/pika/heartbeat-and-blocked-timeouts.ts [queue]
 */
import { connect } from 'leveret/amqp';

const [queue = 'my-alphabet-queue'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL'], {
  heartbeat: 600, // seconds, as in the protocol
  blockedTimeout: 300_000,
});
connection.on('blocked', ({ reason }) => {
  console.log(`The broker takes no messages: ${reason}`);
});
console.log(`heartbeat: ${connection.negotiated.heartbeat} s`);

const channel = await connection.openChannel();
channel.basicPublish('', queue, 'abc');

await connection.close();
