// What the contenders share: the loops that each runs through, applications that fail loudly, and decorators without
// TypeScript.
import { setImmediate, setTimeout } from 'node:timers/promises';
import { Latencies, slidingWindow } from '../flow.mjs';

/**
 * The session of a contender (see ../clients/index.mjs). A contender starts applications, one in each process:
 *
 *   publisher({ queue }): { application, publish(order) }
 *   consumer({ queue, prefetch, onOrder }): { application, ask() }
 *   requester({ queue, prefetch, onOrder }): { application, request(order), ask() }
 *
 * `publish` resolves when the broker confirmed, `request` with the reply, which is what `onOrder` returned. `ask` waits for
 * a passive declare of the queue on the channel of the consumer.
 */
export function sessionOf(contender) {
  let started;
  const start = (role, job) => (started ??= contender[role](job));
  const handled = new Count();

  async function settled(ask) {
    // What is acknowledged once the handler returned has been sent by the next turn.
    await setImmediate();
    await ask();
    handled.expectAll();
  }

  return {
    async publish({ messages, inFlight, queue, order }) {
      const { publish } = await start('publisher', { queue });
      await slidingWindow(messages, inFlight, (done, failed) => publish(order).then(done, failed));
    },

    async consume({ messages, prefetch, queue, order, isLast }) {
      const all = handled.more(messages);
      const onOrder = (one) => {
        check(one, order);
        handled.add();
      };
      const { ask } = await start('consumer', { queue, prefetch, onOrder });
      await all;
      if (isLast) await settled(ask);
    },

    async request({ messages, inFlight, prefetch, queue, order, isLast }) {
      const all = handled.more(messages);
      const onOrder = (one) => {
        check(one, order);
        handled.add();
        return { id: one.id, isAccepted: true };
      };
      const { request, ask } = await start('requester', { queue, prefetch, onOrder });
      const latencies = new Latencies(messages);
      await slidingWindow(messages, inFlight, (done, failed) => {
        const begin = performance.now();
        request(order)
          .then((reply) => {
            latencies.add(performance.now() - begin);
            if (reply?.id !== order.id || reply.isAccepted !== true) throw new Error('a reply is not the handler’s');
            done();
          })
          .catch(failed);
      });
      await all;
      if (isLast) await settled(ask);
      return latencies.percentiles();
    },

    async close() {
      // Nest's transport waits for no confirmation of a reply, and a rejection that nobody hears ends the process.
      await setTimeout(50);
      await (await started)?.application.close();
    },
  };
}

function check(order, expected) {
  if (order.id !== expected.id || order.note.length !== expected.note.length) {
    throw new Error("an order is not one of the benchmark's");
  }
}

class Count {
  #now = 0;
  #awaited = 0;
  #onAll = () => {};

  add() {
    if (++this.#now === this.#awaited) this.#onAll();
  }

  /** Resolves when so many more were counted. */
  more(number) {
    this.#awaited += number;
    if (this.#now >= this.#awaited) return Promise.resolve();
    return new Promise((resolve) => (this.#onAll = resolve));
  }

  expectAll() {
    if (this.#now !== this.#awaited) throw new Error(`${this.#now} were handled, and should be ${this.#awaited}`);
  }
}

/** What a contender logs as an error is one that its figures must not survive. */
const logger = {
  log() {},
  debug() {},
  verbose() {},
  warn: (...parts) => console.error(...parts),
  error: failed,
  fatal: failed,
};

function failed(...parts) {
  console.error(...parts);
  process.exit(1);
}

export const applicationOptions = { logger, abortOnError: false };

/** `@One @Two method(@Three first, @Four second) {}` */
export function decorate(type, method, decorators, parameterDecorators = []) {
  for (const [index, decorator] of parameterDecorators.entries()) decorator(type.prototype, method, index);
  Reflect.decorate(decorators, type.prototype, method, Object.getOwnPropertyDescriptor(type.prototype, method));
}
