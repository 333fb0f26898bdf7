// Which brokers are measured: those of `--url`, a RabbitMQ node of our own, the embedded broker. Each comes with the neutral
// party that prepares its queues (broker.mjs).
import { rmSync } from 'node:fs';
import { isRabbitmqInstalled, startRabbitmqNode } from '../scripts/rabbitmq-node.mjs';
import { startProgram } from './embedded/program.mjs';
import { UsageError, withoutCredentials } from './options.mjs';
import { firstLine } from './process.mjs';

/**
 * @param {{ brokers: { name?: string, url: string }[], embedded: boolean }} options
 * @param {(brokers: { name: string, url: string, isEmbedded: boolean, broker: object }[]) => Promise<T>} work
 * @returns {Promise<T>} what the work gave; what was started here has ended by then
 * @template T
 */
export async function withBrokers({ brokers, embedded }, work) {
  const started = [];
  const given = [...brokers];
  const opened = [];
  try {
    if (given.length === 0 && !embedded && isRabbitmqInstalled()) given.push(await startNode(started));
    if (embedded || given.length === 0) {
      if (!embedded)
        console.error('bench: NO RABBITMQ: neither --url nor an installed one. The embedded broker is used.');
      given.push(await startEmbedded(started));
    }
    for (const one of given) opened.push(await open(one));
    return await work(opened);
  } finally {
    for (const { broker } of opened) await broker.close();
    for (const stop of started) await stop();
  }
}

async function startNode(started) {
  console.error('bench: starting a RabbitMQ node of our own');
  const node = startRabbitmqNode();
  let directory;
  // Where a signal ends us.
  const stopNow = () => {
    node.stopNow();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  process.on('exit', stopNow);
  started.push(async () => {
    await node.stop();
    process.off('exit', stopNow);
  });
  const ready = await node.ready;
  ({ directory } = ready);
  return { url: ready.url };
}

async function startEmbedded(started) {
  const { url, stop } = await startProgram();
  started.push(stop);
  return { name: 'embedded broker', url, isEmbedded: true };
}

async function open({ name, url, isEmbedded = false }) {
  const { openBroker } = await import('./broker.mjs');
  const broker = await openBroker(url).catch((error) => {
    throw new UsageError(`cannot use the broker at ${withoutCredentials(url)}: ${firstLine(error)}`);
  });
  const product = `${broker.product} ${broker.version}`;
  return { name: isEmbedded ? name : name === undefined ? product : `${name} (${product})`, url, isEmbedded, broker };
}
