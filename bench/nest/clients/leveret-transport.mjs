// leveret as a transport of Nest: AmqpClient and AmqpServer behind Nest's own classes and decorators.
// publish: emit(), completed at the confirmation. Persistent unless told otherwise: it is told.
// consume: @EventPattern, acknowledged once the handler returned.
// request: send() and @MessagePattern; the server confirms replies, and acknowledges after them.
import { sessionOf } from '../support.mjs';
import { transportApplications } from './transport.mjs';

export async function connect(url, load) {
  return sessionOf(await transportApplications(load, await parts(url, load)));
}

/** The same requester for leveret.mjs, which asks its client otherwise. */
export async function serve(url, load, job) {
  return (await transportApplications(load, await parts(url, load))).requester(job);
}

async function parts(url, load) {
  const { AmqpClient, AmqpServer } = await load('leveret');
  return {
    client: (queue) => ({ customClass: AmqpClient, options: { url, queue, persistent: false } }),
    server: (queue, prefetch) => ({ strategy: new AmqpServer({ url, queue, prefetch, noAssert: true }) }),
    acknowledge() {},
    ask: (context, queue) => context.channel.queueDeclare(queue, { passive: true }),
  };
}
