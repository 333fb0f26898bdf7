// What is measured of the clients: the jobs of each scenario, and what the broker must look like before and after them. A
// scenario is data for the clients and a few calls to the neutral ../broker.mjs; it knows no client.
//
//   title        printed above its table
//   messages     how many are measured, where `--messages` says nothing: about a second's worth for the peers
//   size         bytes of a body, where it is not that of `--size`
//   methods      what of a session is called (see ../clients/index.mjs), each on a connection of its own, at the same time
//   latency      true where the result has percentiles
//   prepare      given the broker, and `{ messages, queue, message, client }`: a name for a queue, what `messageOf` made,
//                and the client's entry in the list
//
// Each gives two jobs, run one after the other in the same process: `warmUp`, which lets the JIT compile the client's hot
// paths, and `measured`, the only one that is timed.
//
// Where the messages go. `publish` and `confirm` send the measured messages to a direct exchange with a routing key that
// no queue is bound with: the broker receives, routes, confirms and drops each. A queue would be slower than the
// clients, and the measurement one of the broker (with `x-max-length` too: it stores a message and drops another). The
// warm-up does go to a queue, and the messages there are counted afterwards: a client that only pretends is found out.
// `consume` and `no-ack` read a durable classic queue that was filled before, and the queue must be empty afterwards.
// `request` and `large` go through a queue, and must leave it empty too.
//
// All messages are transient, so that no disk takes part.

const exchange = 'amq.direct';

/** The properties of every message: one, so that the property encoder has something to do. */
const properties = { contentType: 'application/octet-stream' };

/** What the jobs of a client have beside those below: the message, of so many bytes. */
export function messageOf(size) {
  return { body: Buffer.alloc(size, 'x'), properties };
}

async function preparePublish(broker, { messages, queue }) {
  const warmUp = warmUpOf(messages);
  await broker.declareQueue(queue);
  await broker.bindQueue(queue, exchange, queue);
  return {
    jobs: {
      warmUp: { messages: warmUp, inFlight: 1000, exchange, routingKey: queue, queue },
      measured: { messages, inFlight: 1000, exchange, routingKey: `${queue}.unbound`, queue },
    },
    verify: () => expectCount(broker, queue, warmUp),
    queues: [queue],
  };
}

async function prepareConsume(broker, { messages, queue, message: { body } }, noAck) {
  const warmUp = warmUpOf(messages);
  const queues = { warmUp: `${queue}.warm-up`, measured: queue };
  for (const name of Object.values(queues)) await broker.declareQueue(name);
  await broker.fillQueue(queues.warmUp, warmUp, body, properties);
  await broker.fillQueue(queues.measured, messages, body, properties);
  return {
    jobs: {
      warmUp: { messages: warmUp, prefetch: 250, noAck, queue: queues.warmUp },
      measured: { messages, prefetch: 250, noAck, queue: queues.measured },
    },
    async verify() {
      for (const name of Object.values(queues)) await expectCount(broker, name, 0);
    },
    queues: Object.values(queues),
  };
}

/** Through a queue, which is empty before and after: a request, or a body that comes back. */
async function prepareThrough(broker, { messages, queue }, warmUp, limits) {
  // A consumer of the warm-up may still be there.
  const queues = [`${queue}.warm-up`, queue];
  for (const name of queues) await broker.declareQueue(name);
  const job = (name, count) => ({ ...limits, exchange: '', routingKey: name, queue: name, messages: count });
  return {
    jobs: { warmUp: job(queues[0], warmUp), measured: job(queues[1], messages) },
    async verify() {
      for (const name of queues) await expectCount(broker, name, 0);
    },
    queues,
  };
}

async function expectCount(broker, queue, expected) {
  const count = await broker.messageCount(queue);
  if (count !== expected) throw new Error(`${count} messages are in ${queue}, and should be ${expected}`);
}

/** A fifth, but enough for the JIT: after only a few thousand, the measured messages still pay for compilation. */
export const warmUpOf = (messages, enough = 20_000) => Math.max(Math.ceil(messages / 5), Math.min(messages, enough));

export const scenarios = {
  publish: {
    title: 'publish: without confirms, until the broker has read all',
    messages: 100_000,
    methods: ['publish'],
    prepare: preparePublish,
  },
  confirm: {
    title: 'confirm: publisher confirms, 1,000 in flight',
    messages: 60_000,
    methods: ['confirm'],
    prepare: preparePublish,
  },
  consume: {
    title: 'consume: prefetch 250, an ack for each message',
    messages: 30_000,
    methods: ['consume'],
    prepare: (broker, given) => prepareConsume(broker, given, false),
  },
  'no-ack': {
    title: 'no-ack: consume without acknowledging',
    messages: 50_000,
    methods: ['consume'],
    prepare: (broker, given) => prepareConsume(broker, given, true),
  },
  request: {
    title: 'request: round trips through a queue and back by direct reply-to, 64 in flight',
    messages: 10_000,
    methods: ['request'],
    latency: true,
    prepare: (broker, given) =>
      prepareThrough(broker, given, warmUpOf(given.messages, 4_000), { inFlight: 64, prefetch: 250 }),
  },
  large: {
    title: 'large: bodies of 1 MiB into a queue and out of it at the same time, 16 unconfirmed, prefetch 16',
    messages: 300,
    size: 1_048_576,
    methods: ['consume', 'confirm'],
    prepare: (broker, given) =>
      prepareThrough(broker, given, warmUpOf(given.messages, 50), { inFlight: 16, prefetch: 16, noAck: false }),
  },
};
