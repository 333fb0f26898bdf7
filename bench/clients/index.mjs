// The measured clients, in the order of the report. A client is one file beside this one; it exports
//
//   connect(url): Promise<session>     one connection, with the client's own defaults
//
// and a session offers those of the methods that the client can do, and close():
//
//   publish(job)    sends the job's messages without confirms
//   confirm(job)    sends them with confirms, at most `inFlight` unconfirmed
//   consume(job)    is handed the messages of a queue; `noAck`: without acknowledging
//   request(job)    asks itself through a queue, with replies by direct reply-to; resolves with `{ p50, p99 }`
//   openLoop(job)   sends by a schedule and is handed what it sent: see ../latency
//   close()
//
// Each returns a promise that settles when the *broker* has seen the last of the job's messages. Every client proves
// that in the same way: a passive queue.declare on the channel that did the work, whose answer cannot overtake what was
// sent before it. In `confirm` the last confirmation says so itself, in `request` the last reply.
// A job is plain data (see ../scenarios/clients.mjs) plus `body` and `properties`.
// A session that lacks a method is left out of what needs it: so a client may do less than all.
// The versions come from package.json files, without loading the client.

/** The client that the others are compared with. */
export const ours = 'leveret';

/** The one that is no client: what Node itself allows. */
export const floor = 'raw';

/**
 * `role` says what leveret is compared with it as. `isExtra`: measured only where `--clients` names it.
 * @type {{ name: string, file: URL, manifest: URL, role?: 'peer' | 'floor', isExtra?: boolean }[]}
 */
export const clients = [
  { name: ours, file: './leveret.mjs', manifest: '../../package.json' },
  { name: 'leveret-io-thread', file: './leveret-io-thread.mjs', manifest: '../../package.json', isExtra: true },
  { name: 'leveret-shared', file: './leveret-shared.mjs', manifest: '../../package.json', isExtra: true },
  { name: 'amqplib', file: './amqplib.mjs', manifest: '../node_modules/amqplib/package.json', role: 'peer' },
  {
    name: 'rabbitmq-client',
    file: './rabbitmq-client.mjs',
    manifest: '../node_modules/rabbitmq-client/package.json',
    role: 'peer',
  },
  {
    name: '@cloudamqp/amqp-client',
    file: './cloudamqp-amqp-client.mjs',
    manifest: '../node_modules/@cloudamqp/amqp-client/package.json',
    role: 'peer',
  },
  { name: floor, file: './raw.mjs', manifest: '../../package.json', role: 'floor' },
].map(({ file, manifest, ...rest }) => ({
  ...rest,
  file: new URL(file, import.meta.url),
  manifest: new URL(manifest, import.meta.url),
}));
