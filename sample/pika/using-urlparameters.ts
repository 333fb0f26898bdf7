/**
 * Pika: `using_urlparameters.py` and the documentation page of that name. Parameters within an AMQP URI.
 *
 * The names are RabbitMQ's, which several clients share; Pika's own (`connection_attempts`, `socket_timeout` ...) are
 * parameters that stand beside the URI, in milliseconds.
 *
 *     npx tsx sample/pika/using-urlparameters.ts
 */
import { connect } from 'leveret/amqp';

// For TLS: the certificate files are read when connecting.
const secure = new URL('amqps://www-data:rabbit_pwd@rabbit1/web_messages');
secure.search = new URLSearchParams({
  certfile: '/etc/ssl/mycert.pem',
  keyfile: '/etc/ssl/mykey.pem',
  heartbeat: '30',
}).toString();
console.log(secure.pathname, secure.search);

const url = new URL(process.env['AMQP_URL'] ?? 'amqp://guest:guest@localhost:5672/%2F');
url.search = 'heartbeat=30&channel_max=10&connection_timeout=5000';
const connection = await connect(url.href, { attempts: 3, retryDelay: 2_000, blockedTimeout: 60_000 });
const { heartbeat, channelMax } = connection.negotiated;
console.log(`heartbeat ${heartbeat} s, at most ${channelMax} channels`);

await connection.close();
