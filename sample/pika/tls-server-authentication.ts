/**
 * Pika: `tls_server_authentication.py`. TLS, with the broker's certificate checked against an authority of our own.
 *
 *     AMQP_URL=amqps://localhost npx tsx sample/pika/tls-server-authentication.ts [folder of the certificates]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'leveret/amqp';

const [folder = '.'] = process.argv.slice(2);

// Chain and host name are checked, and nothing older than TLS 1.2 is spoken, unless `tls` says otherwise.
const connection = await connect(process.env['AMQP_URL'] ?? 'amqps://localhost', {
  tls: { ca: readFileSync(join(folder, 'ca.pem')), servername: 'localhost' },
});
const channel = await connection.openChannel();

const { queue } = await channel.queueDeclare('', { exclusive: true });
channel.basicPublish('', queue, 'abc');
console.log((await channel.basicGet(queue))?.text());

await connection.close();
