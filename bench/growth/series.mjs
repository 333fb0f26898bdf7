// What grows, and what is measured of it. A series is a suite as in ../scenarios/suites.mjs with a scenario for each point.
//
//   points, quickPoints   of how many
//   figures               what is measured, each with `per`: of what it is the cost
//
// A figure `per` message may grow with what grows, and no faster: a body of ten times the length costs ten times as much at
// most. One `per` thing set up must stay what it is: ten times as many then cost ten times as much.

const messageFile = new URL('./message.mjs', import.meta.url);
const client = { name: 'leveret', file: new URL('./client.mjs', import.meta.url) };
const handlers = { name: 'leveret', file: new URL('./handlers.mjs', import.meta.url) };

const exchange = 'amq.direct';
const mebibyte = 1_048_576;
const message = { cpuMicrosecondsPerMessage: { per: 'message', label: 'a message' } };

/** Confirmed into one queue and acknowledged out of it, both at the same time. */
async function through(broker, queue, messages, { inFlight, warmUp }) {
  const names = [`${queue}.warm-up`, queue];
  for (const name of names) await broker.declareQueue(name);
  const job = (name, count) => ({
    ...{ exchange: '', routingKey: name, queue: name, messages: count },
    ...{ inFlight, prefetch: inFlight, noAck: false },
  });
  return { jobs: { warmUp: job(names[0], warmUp), measured: job(names[1], messages) }, queues: names };
}

/** Published with confirms to where no queue is. */
function published(queue, messages, more, warmUp) {
  const job = { exchange, routingKey: `${queue}.unbound`, queue, inFlight: 1000, ...more };
  return { jobs: { warmUp: { ...job, messages, ...warmUp }, measured: { ...job, messages } }, queues: [] };
}

/** @type {{ name: string, title: string, unit: string, points: number[], quickPoints: number[], figures: object }[]} */
export const series = [
  {
    name: 'bodies',
    title: 'Bodies: published with confirms and consumed with acks',
    unit: 'bytes of a body',
    points: [16, 256, 4096, 65_536, mebibyte, 16 * mebibyte],
    quickPoints: [16, 4096, mebibyte],
    figures: message,
    methods: ['consume', 'confirm'],
    client,
    // About as many bytes at each, within bounds.
    messagesAt: (bytes) => Math.min(20_000, Math.max(20, Math.ceil((192 * mebibyte) / bytes))),
    message: (bytes) => ({ size: bytes }),
    prepare: (broker, queue, bytes, messages) =>
      through(broker, queue, messages, {
        inFlight: Math.min(250, Math.max(2, Math.floor((16 * mebibyte) / bytes))),
        warmUp: Math.ceil(messages / 4),
      }),
  },
  {
    name: 'in-flight',
    title: 'In flight: publishes that wait for their confirms',
    unit: 'in flight',
    points: [1, 10, 100, 1000, 10_000],
    quickPoints: [1, 100, 10_000],
    figures: message,
    methods: ['confirm'],
    client,
    messagesAt: (count) => Math.min(50_000, 5_000 * count),
    prepare: async (broker, queue, inFlight, messages) => published(queue, messages, { inFlight }, {}),
  },
  {
    name: 'channels',
    title: 'Channels of one connection, publishing in turns',
    unit: 'channels',
    points: [1, 10, 100, 1000, 2000],
    quickPoints: [1, 100, 1000],
    figures: { message: { per: 'message', label: 'a message' }, setup: { per: 'thing', label: 'a channel' } },
    methods: ['channels'],
    client,
    messagesAt: () => 20_000,
    prepare: async (broker, queue, count, messages) => published(queue, messages, { count }, { count: 100 }),
  },
  {
    name: 'connections',
    title: 'Connections of one process, publishing in turns',
    unit: 'connections',
    points: [1, 10, 100, 1000],
    quickPoints: [1, 10, 100],
    figures: { message: { per: 'message', label: 'a message' }, setup: { per: 'thing', label: 'a connection' } },
    methods: ['connections'],
    client,
    messagesAt: () => 10_000,
    prepare: async (broker, queue, count, messages) => published(queue, messages, { count }, { count: 100 }),
  },
  {
    name: 'headers',
    title: 'Headers: written, confirmed, and read by the consumer',
    unit: 'fields',
    points: [0, 1, 4, 16, 64],
    quickPoints: [0, 4, 64],
    figures: message,
    methods: ['consumeHeaders', 'confirm'],
    client,
    messagesAt: () => 10_000,
    message: (fields) => ({ fields }),
    prepare: (broker, queue, fields, messages) => through(broker, queue, messages, { inFlight: 250, warmUp: messages }),
  },
  {
    name: 'queues',
    title: 'Queues, each with a consumer, over ten channels at most',
    unit: 'queues',
    points: [1, 10, 100, 1000, 5000],
    quickPoints: [1, 10, 100],
    figures: {
      message: { per: 'message', label: 'a message' },
      setup: { per: 'thing', label: 'a queue and consumer' },
    },
    methods: ['queues'],
    client,
    messagesAt: () => 10_000,
    prepare: async (broker, queue, count, messages) =>
      published(queue, messages, { count }, { count: 100, queue: `${queue}.warm-up` }),
  },
  {
    name: 'handlers',
    title: 'Handlers of one Nest service: a pattern each, sent and handled in one process',
    unit: 'handlers',
    points: [1, 10, 100, 1000, 5000],
    quickPoints: [1, 10, 100],
    figures: { message: { per: 'message', label: 'an event' }, setup: { per: 'thing', label: 'a handler' } },
    methods: ['handlers'],
    client: handlers,
    messagesAt: () => 10_000,
    async prepare(broker, queue, count, messages) {
      await broker.declareQueue(queue);
      const { jobs } = published(queue, messages, { count }, { count: 100 });
      return { jobs, queues: [queue] };
    },
  },
];

export { messageFile };
