// The two loops that every client runs through, so that all pay the same for them. They know no client.

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
