// What makes the client fast, each as a change of the build that turns it off, and the scenario that shows it most. A change
// that does not find its place is an error: the table may not say that nothing was lost.

/**
 * @typedef Switch
 * @property {string} name in the table
 * @property {string} scenario of scenarios/clients.mjs
 * @property {string} file of the build
 * @property {[string, string][]} changes texts and what stands in their place
 */

/** @type {Switch[]} */
export const switches = [
  {
    name: 'one write a turn, not one a frame',
    scenario: 'confirm',
    file: 'amqp/connection/output.js',
    changes: [['    scheduleFlush() {\n', '    scheduleFlush() {\n        this.flush();\n        return;\n']],
  },
  {
    name: 'exchange, routing key and properties that come again are encoded once',
    scenario: 'publish',
    file: 'amqp/protocol/publish-encoder.js',
    changes: [
      ['const isRepeated = exchange ===', 'const isRepeated = false && exchange ==='],
      ['const isRepeated = this.#properties', 'const isRepeated = false && this.#properties'],
    ],
  },
  {
    name: 'the socket may buffer 512 KiB before a publisher waits, not 16',
    scenario: 'publish',
    file: 'amqp/transport/tcp.js',
    changes: [['writableHighWaterMark: 512 * 1024', 'writableHighWaterMark: 16 * 1024']],
  },
  {
    name: 'acknowledgements of one turn are joined',
    scenario: 'consume',
    file: 'amqp/connection/resolve-parameters.js',
    changes: [['given.joinAcks ?? true', 'given.joinAcks ?? false']],
  },
  {
    name: 'names that come again are decoded once',
    scenario: 'no-ack',
    file: 'amqp/channel/interned-strings.js',
    changes: [
      ["            return '';\n", "            return '';\n        return buffer.toString('utf8', start, end);\n"],
    ],
  },
  {
    name: 'small bodies are copied out of large chunks (a cost, for memory)',
    scenario: 'no-ack',
    file: 'amqp/channel/content-assembly.js',
    changes: [['if (size <= smallBody && buffer', 'if (false && buffer']],
  },
  {
    name: 'bodies over 8 KiB go out by reference',
    scenario: 'large',
    file: 'amqp/protocol/frames.js',
    changes: [['writer.reference(piece)', 'writer.reference(Buffer.from(piece))']],
  },
];
