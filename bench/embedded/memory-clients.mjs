// The clients of memory.mjs: opens connections with one channel each, declares queues, publishes messages of 256 bytes.
import { connect } from '../../dist/esm/amqp/index.js';

const [url] = process.argv.slice(2);
const kept = [];
const channel = await (await connect(url)).openChannel({ confirm: true });
let queues = 0;

process.on('message', async (task) => {
  try {
    await does(task);
    process.send('');
  } catch (error) {
    process.send(error.message);
  }
});

async function does({ connections = 0, queues: more = 0, messages = 0 }) {
  for (let count = 0; count < connections; count++) {
    const connection = await connect(url);
    await connection.openChannel();
    kept.push(connection);
  }
  for (let count = 0; count < more; count++) await channel.queueDeclare(`leveret.bench.${(queues += 1)}`);
  const body = Buffer.alloc(256, 'x');
  for (let sent = 0; sent < messages; sent += 1000) {
    await Promise.all(
      Array.from({ length: Math.min(1000, messages - sent) }, () =>
        channel.publish('', 'leveret.bench.1', body, { contentType: 'application/octet-stream' }),
      ),
    );
  }
}
