/** A program of its own, for tests of the options that Node was started with: connects with an I/O thread, and closes. */
import { connect } from '../../../lib/amqp/index.js';

const connection = await connect(process.env['AMQP_URL'], { ioThread: true });
await (await connection.openChannel()).close();
await connection.close();
console.log('closed');
