// What the options of flow cost a handler of @Consume, for each message: order by key, batches, a time limit, automatic pause.
//
//   npm run build:esm && node bench/nest/flow.mjs --url amqp://guest:guest@127.0.0.1:5672 --messages 50000 --rounds 5
//
// Each measurement is a process of its own, with a queue that was filled before; the variants take turns. The handler looks at
// one field and returns. What is shown is the median of the rounds, lowest and highest beside it, and the CPU time of the
// process (user and system, of all its threads) for each message.
import { fork } from 'node:child_process';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';

const prefetch = 200;
const keys = 50;
const byHeader = { by: { header: 'customer' } };

/** What `@Consume` is given beside the queue. */
const variants = {
  plain: {},
  'concurrency 10': { concurrency: 10 },
  'ordered, 50 keys': { ordered: byHeader },
  'ordered, 50 keys, concurrency 10': { ordered: byHeader, concurrency: 10 },
  'timeout 30 s': { timeout: 30_000 },
  'autoPause, failures': { autoPause: { failures: 5 } },
  'batch of 10': { batch: { size: 10, wait: 20 } },
  'batch of 100': { batch: { size: 100, wait: 20 } },
};

if (process.send) {
  process.once('message', (job) => {
    measure(job).then(
      (result) => process.send(result, () => process.exit(0)),
      (error) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
} else await main();

async function main() {
  const { values } = parseArgs({
    options: {
      url: { type: 'string', default: 'amqp://guest:guest@127.0.0.1:5672' },
      messages: { type: 'string', default: '50000' },
      rounds: { type: 'string', default: '5' },
    },
  });
  const [messages, rounds] = [Number(values.messages), Number(values.rounds)];
  const results = new Map(Object.keys(variants).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of results.keys()) results.get(name).push(await inProcess({ name, messages, url: values.url }));
  }
  console.log(`| variant | messages/s | CPU µs/message |\n| --- | --- | --- |`);
  for (const [name, all] of results) {
    console.log(
      `| ${name} | ${spread(
        all.map((one) => one.rate),
        0,
      )} | ${spread(
        all.map((one) => one.cpu),
        1,
      )} |`,
    );
  }
}

function spread(numbers, digits) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const [median, lowest, highest] = [sorted[Math.floor(sorted.length / 2)], sorted[0], sorted.at(-1)];
  return `${median.toFixed(digits)} (${lowest.toFixed(digits)} to ${highest.toFixed(digits)})`;
}

function inProcess(job) {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url));
    child.once('message', resolve);
    child.once('exit', (code) => {
      if (code !== 0) reject(new Error(`${job.name}: exit code ${code}`));
    });
    child.send(job);
  });
}

async function measure({ name, messages, url }) {
  const { Module } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  const { AmqpModule, Consume, ConsumerRegistry } = await import('../../dist/esm/index.js');
  const { connect } = await import('../../dist/esm/amqp/index.js');
  const { applicationOptions, decorate } = await import('./support.mjs');

  const queue = `bench.flow.${process.pid}`;
  const warmUp = 10_000;
  const connection = await connect(url);
  const channel = await connection.openChannel({ confirm: true });
  await channel.queueDeclare(queue);
  const fill = async (count) => {
    for (let sent = 0; sent < count; sent += 1_000) {
      const publishes = Array.from({ length: Math.min(1_000, count - sent) }, (_, index) =>
        channel.publish('', queue, JSON.stringify({ id: sent + index, note: 'x'.repeat(200) }), {
          contentType: 'application/json',
          headers: { customer: `customer ${index % keys}` },
        }),
      );
      await Promise.all(publishes);
    }
  };

  let awaited = 0;
  let onAll = () => {};
  class Orders {
    async onOrder(orders) {
      const given = Array.isArray(orders) ? orders : [orders];
      for (const order of given) if (typeof order.id !== 'number') throw new Error('no order of ours');
      awaited -= given.length;
      if (awaited <= 0) onAll();
    }
  }
  const options = { queue, prefetch, autoStart: false, ...variants[name] };
  decorate(Orders, 'onOrder', [Consume(options)]);
  class Application {}
  Module({ imports: [AmqpModule.forRoot({ url })], providers: [Orders] })(Application);
  const application = await NestFactory.createApplicationContext(Application, applicationOptions);
  const registry = application.get(ConsumerRegistry);

  const run = async (count) => {
    await fill(count);
    awaited = count;
    const all = new Promise((resolve) => (onAll = resolve));
    const [time, cpu] = [performance.now(), process.cpuUsage()];
    await registry.start('Orders.onOrder');
    await all;
    const used = process.cpuUsage(cpu);
    const result = {
      rate: count / ((performance.now() - time) / 1_000),
      cpu: (used.user + used.system) / count,
    };
    await registry.stop('Orders.onOrder');
    return result;
  };
  await run(warmUp);
  const result = await run(messages);
  const { messageCount } = await channel.queueDeclare(queue, { passive: true });
  for (const one of [queue, `${queue}.parked`]) await channel.queueDelete(one);
  if (messageCount !== 0) throw new Error(`${messageCount} messages are left in the queue`);
  await application.close();
  await connection.close();
  return result;
}
