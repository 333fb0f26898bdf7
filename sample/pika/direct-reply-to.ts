/**
 * Pika: `direct_reply_to.py`. A request and its reply without a reply queue: RabbitMQ's direct reply-to.
 *
 * The client consumes `amq.rabbitmq.reply-to` without acknowledgements before it sends its request, on the same
 * channel. Server and client share one here; as a rule the server is another program.
 *
 *     npx tsx sample/pika/direct-reply-to.ts [queue of the server]
 */
import { connect } from 'leveret/amqp';

const [serverQueue = 'rpc.server.queue'] = process.argv.slice(2);
const replyQueue = 'amq.rabbitmq.reply-to';

const connection = await connect(process.env['AMQP_URL']);
const channel = await connection.openChannel();

// The server.
await channel.queueDeclare(serverQueue, { exclusive: true });
await channel.basicConsume(serverQueue, (request) => {
  console.log(`RPC Server got request: ${request.text()}`);
  channel.basicPublish('', request.properties.replyTo ?? '', 'Polo');
  request.ack();
  console.log('RPC Server says good bye');
});

// The client.
const replied = new Promise<string>((resolve) => {
  void channel
    .basicConsume(replyQueue, (reply) => resolve(reply.text()), { noAck: true })
    .then(() => channel.basicPublish('', serverQueue, 'Marco', { replyTo: replyQueue }));
});
console.log(`RPC Client got reply: ${await replied}`);
console.log('RPC Client says bye');

await connection.close();
