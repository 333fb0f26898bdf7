// What is measured of the NestJS side; ../scenarios/clients.mjs says what a scenario is.
//
// Every contender gets its messages in the form that it reads: Nest's packet `{ pattern, data }`, or the order alone as
// JSON. All messages are transient and go through one durable classic queue, which the runner declares: no contender
// declares anything.
import { warmUpOf } from '../scenarios/clients.mjs';

const prefetch = 100;
const publishesInFlight = 100;
const requestsInFlight = 64;

/** The pattern of the events that are consumed. */
export const pattern = 'order.created';

/** An order whose JSON has `size` bytes. */
export function messageOf(size) {
  const order = { id: 4711, customer: 'c-0815', lines: [{ sku: 'HARE-1', quantity: 2, price: 19.9 }], note: '' };
  const length = JSON.stringify(order).length;
  if (size < length) throw new RangeError(`an order has at least ${length} bytes`);
  return { order: { ...order, note: 'x'.repeat(size - length) } };
}

async function preparePublish(broker, { messages, queue }) {
  const warmUp = warmUpOf(messages, 10_000);
  await broker.declareQueue(queue);
  return {
    jobs: {
      warmUp: { messages: warmUp, inFlight: publishesInFlight, queue },
      measured: { messages, inFlight: publishesInFlight, queue },
    },
    verify: () => expectCount(broker, queue, warmUp + messages),
    queues: [queue],
  };
}

async function prepareEvents(broker, { messages, queue, message: { order }, client }) {
  const warmUp = warmUpOf(messages, 10_000);
  await broker.declareQueue(queue);
  const body = Buffer.from(JSON.stringify(client.readsPackets ? { pattern, data: order } : order));
  await broker.fillQueue(queue, warmUp + messages, body, { contentType: 'application/json' });
  return {
    // One consumer does both, one after the other; after the last the acknowledgements are waited for.
    jobs: { warmUp: { messages: warmUp, prefetch, queue }, measured: { messages, prefetch, queue, isLast: true } },
    verify: () => expectCount(broker, queue, 0),
    queues: [queue],
  };
}

async function prepareRequests(broker, { messages, queue }) {
  await broker.declareQueue(queue);
  const common = { inFlight: requestsInFlight, prefetch, queue };
  return {
    jobs: {
      warmUp: { messages: warmUpOf(messages, 4_000), ...common },
      measured: { messages, isLast: true, ...common },
    },
    verify: () => expectCount(broker, queue, 0),
    queues: [queue],
  };
}

async function expectCount(broker, queue, expected) {
  const count = await broker.messageCount(queue);
  if (count !== expected) throw new Error(`${count} messages are in the queue, and should be ${expected}`);
}

export const scenarios = {
  'nest-publish': {
    title: `nest-publish: events, confirmed, ${publishesInFlight} in flight`,
    messages: 20_000,
    methods: ['publish'],
    prepare: preparePublish,
  },
  'nest-event': {
    title: `nest-event: a handler of events, prefetch ${prefetch}, acknowledged after each`,
    messages: 20_000,
    methods: ['consume'],
    prepare: prepareEvents,
  },
  'nest-request': {
    title: `nest-request: round trips, ${requestsInFlight} in flight, client and handler in one process`,
    messages: 8_000,
    methods: ['request'],
    latency: true,
    prepare: prepareRequests,
  },
};
