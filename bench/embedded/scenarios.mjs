// What is measured of a broker, with one client for all: those of ../scenarios/clients.mjs that say something
// of a broker, and one more in which each message goes into a queue.
import { messageOf, scenarios as ofClients, warmUpOf } from '../scenarios/clients.mjs';

export { messageOf };

async function prepareQueue(broker, { messages, queue }) {
  const warmUp = warmUpOf(messages);
  await broker.declareQueue(queue);
  const job = { inFlight: 1000, exchange: '', routingKey: queue, queue };
  return {
    jobs: { warmUp: { ...job, messages: warmUp }, measured: { ...job, messages } },
    async verify() {
      const count = await broker.messageCount(queue);
      if (count !== warmUp + messages) throw new Error(`${count} messages are in the queue, not ${warmUp + messages}`);
    },
    queues: [queue],
  };
}

const { publish, confirm, consume, request } = ofClients;

export const scenarios = {
  publish,
  confirm,
  enqueue: {
    title: 'enqueue: into a queue, publisher confirms, 1,000 in flight',
    messages: 60_000,
    methods: ['confirm'],
    prepare: prepareQueue,
  },
  consume,
  request,
};
