// What is measured: the jobs of each mode, and what the broker must look like before and after them. A mode is data for
// the clients and a few calls to the neutral ../broker.mjs; it knows no client.
//
// `prepare` is given the broker, and `{ messages, queue, message, client }`: a name for a queue, what `messageOf` made,
// and the client's entry in the list. Each mode gives two jobs, run one after the other in the same process: `warmUp`, which lets the JIT compile the
// client's hot paths, and `measured`, the only one that is timed.
//
// Where the messages go. `publish` and `confirm` send the measured messages to a direct exchange with a routing key that
// no queue is bound with: the broker receives, routes, confirms and drops each. A queue would be slower than the
// clients, and the measurement one of the broker (with `x-max-length` too: it stores a message and drops another). The
// warm-up does go to a queue, and the messages there are counted afterwards: a client that only pretends is found out.
// `consume` reads a durable classic queue that was filled before, and the queue must be empty afterwards.
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
    async verify() {
      const count = await broker.messageCount(queue);
      if (count !== warmUp) throw new Error(`of ${warmUp} messages published to a queue, ${count} arrived`);
    },
    queues: [queue],
  };
}

async function prepareConsume(broker, { messages, queue, message: { body } }, noAck = false) {
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
      for (const name of Object.values(queues)) {
        const count = await broker.messageCount(name);
        if (count !== 0) throw new Error(`${count} messages were left unacknowledged in ${name}`);
      }
    },
    queues: Object.values(queues),
  };
}

/** A fifth, but enough for the JIT: after only a few thousand, the measured messages still pay for compilation. */
export const warmUpOf = (messages) => Math.max(Math.ceil(messages / 5), Math.min(messages, 20_000));

export const modes = {
  publish: { title: 'publish: without confirms, until the broker has read all', prepare: preparePublish },
  confirm: { title: 'confirm: publisher confirms, 1,000 in flight', prepare: preparePublish },
  consume: { title: 'consume: prefetch 250, an ack for each message', prepare: prepareConsume },
  'no-ack': {
    title: 'no-ack: consume without acknowledging',
    // The same method of the client, whose job says `noAck`.
    method: 'consume',
    prepare: (broker, given) => prepareConsume(broker, given, true),
  },
};
