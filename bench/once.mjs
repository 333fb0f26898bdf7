// What it costs that a message is handled once, and that an event is part of a transaction.
//
//   node bench/once.mjs [--messages 5000] [--rounds 3]
//
// AMQP_URL names the broker (default: RabbitMQ on its usual port), LEVERET_TEST_POSTGRES_URL the database (default: a server of
// our own, where PostgreSQL is installed). Medians of the rounds; client, broker and database share the machine's cores.
import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import pg from 'pg';
import { startPostgresNode } from '../scripts/postgres-node.mjs';
import { openBroker } from './broker.mjs';
import { slidingWindow } from './flow.mjs';
import { applicationOptions, decorate } from './nest/support.mjs';
import { buildLeveret, installDependencies } from './prerequisites.mjs';

const prefetch = 100;
/** As many as the pool has clients: more would wait for one. */
const clients = 20;

const { values } = parseArgs({
  options: { messages: { type: 'string', default: '5000' }, rounds: { type: 'string', default: '3' } },
});
const messages = Number(values.messages);
const rounds = Number(values.rounds);
const url = process.env.AMQP_URL ?? 'amqp://guest:guest@127.0.0.1:5672';

installDependencies();
buildLeveret();
const leveret = await import('../dist/esm/index.js');
const { Ack, AmqpModule, Consume, Idempotent, IdempotencyModule, Outbox, OutboxModule } = leveret;
const { MemoryIdempotencyStore, MemoryOutboxStore, MemoryTransaction } = leveret;
const { PostgresIdempotencyStore, PostgresOutboxStore, PublisherFactory } = leveret;

const node = process.env.LEVERET_TEST_POSTGRES_URL ? undefined : startPostgresNode();
const connectionString = process.env.LEVERET_TEST_POSTGRES_URL ?? (await node.ready).url;
process.on('exit', () => node?.stopNow());
const pool = new pg.Pool({ connectionString, max: clients + 2 });
pool.on('error', (error) => {
  throw error;
});
const broker = await openBroker(url);
const order = { id: 4711, customer: 'c-0815', note: 'x'.repeat(200) };
let tables = 0;

async function application(imports, providers = []) {
  class Application {}
  Module({ imports: [AmqpModule.forRoot({ url }), ...imports], providers })(Application);
  return NestFactory.createApplicationContext(Application, applicationOptions);
}

async function inTransaction(work) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await work(client);
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}

/** Messages a second, from the call to when the queue has or lost all of them. */
async function timed(work) {
  const start = performance.now();
  await work();
  return messages / ((performance.now() - start) / 1_000);
}

async function untilCount(queue, expected) {
  while ((await broker.messageCount(queue)) !== expected) await new Promise((resolve) => setTimeout(resolve, 5));
}

const publishing = {
  'Publisher, no outbox': async (queue) => {
    const app = await application([]);
    const publisher = app.get(PublisherFactory).create();
    const publish = () => publisher.publish(queue, order);
    return { app, publish };
  },
  'outbox in memory': async (queue) => {
    const app = await application([OutboxModule.forRoot({ store: new MemoryOutboxStore({ maxMessages: 1_000_000 }) })]);
    const outbox = app.get(Outbox);
    const publish = () => MemoryTransaction.run((one) => outbox.publish(one, { routingKey: queue, payload: order }));
    return { app, publish };
  },
  'a transaction with one INSERT, no outbox': async () => {
    const table = `bench_${process.pid}_${(tables += 1)}`;
    await pool.query(`CREATE TABLE ${table} (id bigserial PRIMARY KEY, body text)`);
    const publish = () => inTransaction((one) => one.query(`INSERT INTO ${table} (body) VALUES ($1)`, [order.note]));
    return { publish, isSilent: true };
  },
  'outbox in PostgreSQL, a transaction for each event': async (queue) => {
    const { app, outbox } = await postgresOutbox();
    const publish = () => inTransaction((one) => outbox.publish(one, { routingKey: queue, payload: order }));
    return { app, publish };
  },
  'the same, one of 1,000 keys': async (queue) => {
    const { app, outbox } = await postgresOutbox();
    let count = 0;
    const publish = () => {
      const key = String((count += 1) % 1_000);
      return inTransaction((one) => outbox.publish(one, { routingKey: queue, payload: order, key }));
    };
    return { app, publish };
  },
  'outbox in PostgreSQL, 100 events a transaction': async (queue) => {
    const { app, outbox } = await postgresOutbox();
    const entries = Array.from({ length: 100 }, () => ({ routingKey: queue, payload: order }));
    return { app, publish: () => inTransaction((one) => outbox.publishAll(one, entries)), each: 100 };
  },
};

async function postgresOutbox() {
  const store = new PostgresOutboxStore(pool, { table: `bench_${process.pid}_${(tables += 1)}` });
  await store.createTables();
  const app = await application([OutboxModule.forRoot({ store })]);
  return { app, outbox: app.get(Outbox) };
}

const consuming = {
  '@Consume alone': () => undefined,
  '@Idempotent in memory': () => new MemoryIdempotencyStore({ maxKeys: 1_000_000 }),
  '@Idempotent in PostgreSQL, by transaction': () => postgresKeys('transaction'),
  '@Idempotent in PostgreSQL, by lease': () => postgresKeys('lease'),
};

async function postgresKeys(mode) {
  const store = new PostgresIdempotencyStore(pool, { mode, table: `bench_${process.pid}_${(tables += 1)}` });
  await store.createTables();
  return store;
}

async function measurePublishing(make) {
  const queue = `bench.once.${process.pid}.${Math.random().toString(36).slice(2)}`;
  await broker.declareQueue(queue);
  const { app, publish, each = 1, isSilent = false } = await make(queue);
  const rate = await timed(async () => {
    await slidingWindow(messages / each, clients, (done, failed) => publish().then(done, failed));
    if (!isSilent) await untilCount(queue, messages);
  });
  await app?.close();
  await broker.deleteQueue(queue);
  return rate;
}

async function measureConsuming(make) {
  const queue = `bench.once.${process.pid}.${Math.random().toString(36).slice(2)}`;
  await broker.declareQueue(queue);
  const body = Buffer.from(JSON.stringify(order));
  // Each with an id of its own.
  const { connect } = await import('../dist/esm/amqp/index.js');
  const connection = await connect(url);
  const channel = await connection.openChannel({ confirm: true });
  const sending = Array.from({ length: messages }, (_, id) =>
    channel.publish('', queue, body, { messageId: `m${id}` }),
  );
  await Promise.all(sending);
  await connection.close();
  const store = await make();
  let handled = 0;
  let onAll;
  const all = new Promise((resolve) => (onAll = resolve));
  class Orders {
    onOrder() {
      if ((handled += 1) === messages) onAll();
    }
  }
  const decorators = [
    Ack({ retry: 0, then: 'drop' }),
    Consume({ queue, prefetch, declare: false, parking: false }),
    ...(store ? [Idempotent()] : []),
  ];
  decorate(Orders, 'onOrder', decorators);
  let app;
  const rate = await timed(async () => {
    app = await application(store ? [IdempotencyModule.forRoot({ store })] : [], [Orders]);
    await all;
  });
  await app.close();
  await broker.deleteQueue(queue);
  return rate;
}

async function report(title, cases, measure) {
  console.log(`\n| ${title} | a second |\n| --- | --- |`);
  for (const [name, make] of Object.entries(cases)) {
    const rates = [];
    for (let round = 0; round <= rounds; round += 1) rates.push(await measure(make));
    // The first one warms up.
    const [median] = rates
      .slice(1)
      .sort((one, other) => one - other)
      .slice(Math.floor((rounds - 1) / 2));
    console.log(`| ${name} | ${Math.round(median).toLocaleString('en')} |`);
  }
}

console.log(
  `${broker.product} ${broker.version}, Node ${process.version}, ${messages} messages, median of ${rounds} rounds`,
);
try {
  await report(`events published, ${clients} at a time`, publishing, measurePublishing);
  await report(`messages handled, prefetch ${prefetch}`, consuming, measureConsuming);
} finally {
  await pool.end();
  await broker.close();
  await node?.stop();
}
