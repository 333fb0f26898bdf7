/** Watches for drift, leaves the loop, and closes the connection: nothing may keep it alive then. For plans-drift.test.ts. */
import { connect } from '../../../lib/amqp/index.js';

const [, , url = ''] = process.argv;
const connection = await connect(url);
const silent = connection.drift({ interval: 600_000 });
void silent.next();
for await (const change of connection.drift({
  interval: 600_000,
  declarations: { queues: [{ name: `nowhere-${String(process.pid)}` }] },
})) {
  if (change.missing.length !== 1) process.exit(2);
  break;
}
await silent.return();
await connection.close();
