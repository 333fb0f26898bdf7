// What is measured of a broker, with one client for all: the modes of ../modes.mjs (but for those that only concern
// clients), and two more in which each message goes through a queue.
import { messageOf, modes as ofClients, warmUpOf } from '../modes.mjs';

export { messageOf };

async function prepareQueue(broker, { messages, queue }, inFlight, left) {
  const warmUp = warmUpOf(messages);
  await broker.declareQueue(queue);
  const job = { inFlight, exchange: '', routingKey: queue, queue };
  return {
    jobs: { warmUp: { ...job, messages: warmUp }, measured: { ...job, messages } },
    async verify() {
      const count = await broker.messageCount(queue);
      const expected = left * (warmUp + messages);
      if (count !== expected) throw new Error(`${count} messages are in the queue, not ${expected}`);
    },
    queues: [queue],
  };
}

export const modes = {
  publish: ofClients.publish,
  confirm: ofClients.confirm,
  enqueue: {
    title: 'enqueue: into a queue, publisher confirms, 1,000 in flight',
    method: 'confirm',
    prepare: (broker, given) => prepareQueue(broker, given, 1000, 1),
  },
  consume: ofClients.consume,
  request: {
    title: 'request: round trips through a queue and back by direct reply-to, 50 in flight',
    prepare: (broker, given) => prepareQueue(broker, given, 50, 0),
  },
};
