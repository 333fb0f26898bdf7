// The measured clients, in the order of the report. A client is one file beside this one; it exports
//
//   connect(url): Promise<session>     one connection, with the client's own defaults
//
// and a session offers one method for each mode of ../modes.mjs that the client can do, and close():
//
//   session.publish(job)  session.confirm(job)  session.consume(job)  session.close()
//
// Each returns a promise that settles when the *broker* has seen the last of the job's messages. Every client proves
// that in the same way: a passive queue.declare on the channel that did the work, whose answer cannot overtake what was
// sent before it. In `confirm` the last confirmation says so itself.
// A job is plain data (see ../modes.mjs) plus `body` and `properties`.
// A session that lacks a mode's method is left out of that mode: so a client may do less than all.
// The versions come from package.json files, without loading the client.

/** The client that the others are compared with. */
export const ours = 'leveret';

/** @type {{ name: string, file: URL, manifest: URL, comparedWith?: string }[]} */
export const clients = [
  { name: 'leveret', file: './leveret.mjs', manifest: '../../package.json' },
  { name: 'leveret-io-thread', file: './leveret-io-thread.mjs', manifest: '../../package.json' },
  { name: 'leveret-shared', file: './leveret-shared.mjs', manifest: '../../package.json' },
  { name: 'amqplib', file: './amqplib.mjs', manifest: '../node_modules/amqplib/package.json' },
  { name: 'rabbitmq-client', file: './rabbitmq-client.mjs', manifest: '../node_modules/rabbitmq-client/package.json' },
  {
    name: '@cloudamqp/amqp-client',
    file: './cloudamqp-amqp-client.mjs',
    manifest: '../node_modules/@cloudamqp/amqp-client/package.json',
  },
  // The floor: no client, and without a version of its own.
  { name: 'raw', file: './raw.mjs', manifest: '../../package.json' },
].map(({ name, file, manifest }) => ({
  name,
  file: new URL(file, import.meta.url),
  manifest: new URL(manifest, import.meta.url),
  ...(name === ours ? {} : { comparedWith: ours }),
}));
