// The loops that every client runs through, so that all pay the same for them. They know no client.

/**
 * Starts `total` operations with at most `inFlight` of them unfinished, each new one as soon as an older one is done.
 * @param {number} total
 * @param {number} inFlight
 * @param {(done: () => void, failed: (error: Error) => void) => void} start
 * @returns {Promise<void>} settles when all are done, or with the first failure
 */
export function slidingWindow(total, inFlight, start) {
  return new Promise((resolve, reject) => {
    let started = 0;
    let finished = 0;
    const done = () => {
      if (++finished === total) resolve();
      else fill();
    };
    const fill = () => {
      while (started < total && started - finished < inFlight) {
        started++;
        start(done, reject);
      }
    };
    fill();
  });
}

/**
 * Starts a consumer and waits until it was handed every message of the job. The callback says what it was handed: a
 * client that decodes a body or the properties only when they are read pays for that here, like the others.
 * @param {{ messages: number, body: Buffer, properties: { contentType: string } }} expected
 * @param {(delivered: (bodyLength: number, contentType: string) => void) => Promise<unknown>} subscribe
 * @returns {Promise<void>}
 */
export function allDelivered({ messages, body, properties }, subscribe) {
  return new Promise((resolve, reject) => {
    let count = 0;
    const delivered = (bodyLength, contentType) => {
      if (bodyLength !== body.length || contentType !== properties.contentType) {
        reject(new Error(`a delivery of ${bodyLength} bytes, ${contentType}, is not one of the benchmark's`));
      } else if (++count === messages) {
        resolve();
      }
    };
    subscribe(delivered).catch(reject);
  });
}

/** The queue that stands for direct reply-to. */
export const replyQueue = 'amq.rabbitmq.reply-to';

/**
 * Requests and their replies, found again by correlation id, `inFlight` at a time.
 *
 *   const requests = new Requests(job);
 *   // the consumer of replies calls requests.answered(correlationId)
 *   const figures = await requests.run((correlationId, failed) => …publish…);
 */
export class Requests {
  #job;
  #pending = new Map();
  #latencies;

  constructor({ messages, inFlight }) {
    this.#job = { messages, inFlight };
    this.#latencies = new Latencies(messages);
  }

  answered = (correlationId) => {
    const done = this.#pending.get(correlationId);
    if (done === undefined) throw new Error(`nobody asked for a reply '${correlationId}'`);
    this.#pending.delete(correlationId);
    done();
  };

  /** @returns {Promise<{ p50: number, p99: number }>} once all are answered; in milliseconds */
  async run(ask) {
    let count = 0;
    await slidingWindow(this.#job.messages, this.#job.inFlight, (done, failed) => {
      const correlationId = String((count += 1));
      const begin = performance.now();
      this.#pending.set(correlationId, () => {
        this.#latencies.add(performance.now() - begin);
        done();
      });
      ask(correlationId, failed);
    });
    return this.#latencies.percentiles();
  }
}

/** How long each of so many took, in milliseconds. */
export class Latencies {
  #values;
  #count = 0;

  constructor(capacity) {
    this.#values = new Float64Array(capacity);
  }

  add(milliseconds) {
    this.#values[this.#count] = milliseconds;
    this.#count += 1;
  }

  /** By nearest rank. */
  percentiles() {
    const sorted = this.#values.subarray(0, this.#count).sort();
    const at = (percent) => sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
    return { p50: at(50), p99: at(99) };
  }
}
