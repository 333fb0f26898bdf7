/**
 * Pika: `tls_mutual_authentication.py` and `tls_mutual_authentication_twisted.py`. Both sides show a certificate.
 *
 * With `external` the certificate is the login, too (RabbitMQ needs the plugin rabbitmq_auth_mechanism_ssl); without
 * it, user name and password come from the URI.
 *
 *     AMQP_URL=amqps://localhost npx tsx sample/pika/tls-mutual-authentication.ts [folder of the certificates] [external]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'leveret/amqp';

const [folder = '.', login = 'plain'] = process.argv.slice(2);

const connection = await connect(process.env['AMQP_URL'] ?? 'amqps://localhost', {
  tls: {
    ca: readFileSync(join(folder, 'ca.pem')),
    cert: readFileSync(join(folder, 'client.pem')),
    key: readFileSync(join(folder, 'client.key')),
    servername: 'localhost',
  },
  ...(login === 'external' ? { credentials: { mechanism: 'EXTERNAL' } } : {}),
});
const channel = await connection.openChannel({ confirm: true });

const { queue } = await channel.queueDeclare('', { exclusive: true });
await channel.publish('', queue, 'Hello, world!');
console.log((await channel.basicGet(queue))?.text());

await connection.close();
