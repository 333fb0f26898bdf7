/** A fault under the mock timers of node:test: a confirm that is an hour late comes when the hour is over. */
import { mock } from 'node:test';
import { connect } from '../../../lib/amqp/index.js';
import { EmbeddedBroker } from '../../../lib/broker/index.js';

const broker = await EmbeddedBroker.start({ port: 0 });
const connection = await connect(broker.url, { heartbeat: 0 });
const channel = await connection.openChannel({ confirm: true });
await channel.queueDeclare('q');
mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
const hour = 3_600_000;
const fault = broker.faults.on().delayConfirms(hour);
let outcome = 'none';
const published = channel.publish('', 'q', 'x').then(() => (outcome = 'confirmed'));
// Sockets know no clock: the message arrives in real time.
while (broker.inspect.queue('q')?.messageCount !== 1) await new Promise((resolve) => setImmediate(resolve));
mock.timers.tick(hour - 1);
for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
const before = outcome;
mock.timers.tick(1);
await published;
fault.end();
mock.timers.reset();
await connection.close();
await broker.stop();
process.stdout.write(JSON.stringify({ before, after: outcome }));
