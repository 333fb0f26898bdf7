// What the guard measures: short jobs of the clients' own methods, each some times in one process.
// `messages` is bounded by the young generation of the worker, which nothing may fill.

const exchange = 'amq.direct';
const properties = { contentType: 'application/octet-stream' };
const body = Buffer.alloc(256, 'x');
const repeats = 3;
const times = (job) => Array.from({ length: repeats }, () => job);

async function publishing(broker, queue, messages, warmUp, inFlight) {
  await broker.declareQueue(queue);
  const job = { messages, inFlight, exchange, routingKey: `${queue}.unbound`, queue };
  return { jobs: { warmUp: { ...job, messages: warmUp }, measured: times(job) }, used: [queue] };
}

async function consuming(broker, queue, messages, warmUp, noAck) {
  const names = ['warm-up', ...times('measured').map((name, index) => `${name}-${index}`)].map(
    (name) => `${queue}.${name}`,
  );
  const counts = names.map((_, index) => (index === 0 ? warmUp : messages));
  for (const [index, name] of names.entries()) {
    await broker.declareQueue(name);
    await broker.fillQueue(name, counts[index], body, properties);
  }
  const jobs = names.map((name, index) => ({ messages: counts[index], prefetch: 250, noAck, queue: name }));
  return { jobs: { warmUp: jobs[0], measured: jobs.slice(1) }, used: names };
}

async function asking(broker, queue, messages, warmUp) {
  await broker.declareQueue(queue);
  const job = { messages, inFlight: 64, prefetch: 250, exchange: '', routingKey: queue, queue };
  return { jobs: { warmUp: { ...job, messages: warmUp }, measured: times(job) }, used: [queue] };
}

export const scenarios = {
  publish: { method: 'publish', prepare: (broker, queue) => publishing(broker, queue, 60_000, 60_000) },
  confirm: { method: 'confirm', prepare: (broker, queue) => publishing(broker, queue, 30_000, 40_000, 1000) },
  consume: { method: 'consume', prepare: (broker, queue) => consuming(broker, queue, 15_000, 30_000, false) },
  'no-ack': { method: 'consume', prepare: (broker, queue) => consuming(broker, queue, 20_000, 30_000, true) },
  request: { method: 'request', prepare: (broker, queue) => asking(broker, queue, 5_000, 8_000) },
};
