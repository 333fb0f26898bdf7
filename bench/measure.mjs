// One measurement from outside: prepares the broker, runs the worker, looks at what it left behind.
import { firstLine, inProcess } from './process.mjs';

let queues = 0;

/**
 * @param suite see scenarios/suites.mjs
 * @param {string} name of a scenario of it
 * @param client an entry of the suite's clients
 * @param {{ url: string, messages?: number, size: number }} options
 * @param broker what `openBroker` made
 * @returns what worker.mjs printed
 */
export async function measureOnce({ scenarios, messageOf, messageFile, folder }, name, client, options, broker) {
  const scenario = scenarios[name];
  const { url, messages = scenario.messages } = options;
  const size = scenario.size ?? options.size;
  const queue = `leveret.bench.${process.pid}.${Date.now().toString(36)}.${(queues += 1)}`;
  const {
    jobs,
    verify,
    queues: used,
  } = await scenario.prepare(broker, {
    messages,
    queue,
    message: messageOf(size),
    client,
  });
  try {
    const task = { clientFile: client.file, messageFile, folder, methods: scenario.methods, url, size, jobs };
    const result = await inProcess(new URL('./worker.mjs', import.meta.url), task, {
      limit: timeLimit(messages, size),
    });
    if (result.supported) await verify();
    return result;
  } catch (error) {
    throw new Error(`${name} with ${client.name}: ${firstLine(error)}`, { cause: error });
  } finally {
    for (const one of used) await broker.deleteQueue(one);
  }
}

/** A minute, and for each message and each 4 KiB of its body 2 ms more. In milliseconds. */
function timeLimit(messages, size) {
  return 60_000 + 2 * messages * Math.ceil(size / 4096);
}
