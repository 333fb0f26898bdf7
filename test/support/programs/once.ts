/**
 * A worker that does each order once, for tests of what a crash leaves behind. It writes an effect of each message of ORDERS and
 * publishes an event through the outbox, in one transaction; of each event of EVENTS it notes the arrival. With CRASH, which is
 * `before` or `after`, the beginning of a statement and a number, as in `before COMMIT 5`, the process kills itself at that point.
 * Says `ready`, then nothing.
 */
import 'reflect-metadata';
import { Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import pg from 'pg';
import {
  AmqpModule,
  Consume,
  Idempotent,
  IdempotencyModule,
  Outbox,
  OutboxModule,
  PostgresIdempotencyStore,
  PostgresOutboxStore,
  Transaction,
} from '../../../lib/index.js';

const { AMQP_URL: url = '', ORDERS: orders = '', EVENTS: events = '', CRASH: crash = '' } = process.env;
const { POSTGRES_URL: connectionString = '', SCHEMA: schema = '' } = process.env;

const pool = new pg.Pool({ connectionString, options: `-c search_path=${schema}` });
pool.on('error', () => undefined);

const [, when = '', statement = '', number = ''] = /^(before|after) (.+) (\d+)$/.exec(crash) ?? [];
let left = Number(number);

function kill(): never {
  process.kill(process.pid, 'SIGKILL');
  for (;;);
}

if (statement !== '') {
  pool.on('connect', (client: pg.PoolClient) => {
    const query = client.query.bind(client) as (...values: unknown[]) => Promise<unknown>;
    const crashing = async (...values: unknown[]): Promise<unknown> => {
      const isPoint = String(values[0]).trimStart().startsWith(statement) && --left === 0;
      if (isPoint && when === 'before') kill();
      const result = await query(...values);
      if (isPoint) kill();
      return result;
    };
    Object.assign(client, { query: crashing });
  });
}

@Injectable()
class Orders {
  constructor(@Inject(Outbox) private readonly outbox: Outbox) {}

  @Consume({ queue: orders, prefetch: 10 })
  @Idempotent()
  async onOrder(order: { id: number }, @Transaction() transaction: pg.PoolClient): Promise<void> {
    await transaction.query('INSERT INTO effects (id) VALUES ($1)', [order.id]);
    await this.outbox.publish(transaction, {
      routingKey: events,
      payload: order,
      key: `key ${String(order.id % 3)}`,
    });
  }

  @Consume({ queue: events, prefetch: 10 })
  @Idempotent()
  async onEvent(event: { id: number }, @Transaction() transaction: pg.PoolClient): Promise<void> {
    await transaction.query('INSERT INTO arrivals (id) VALUES ($1)', [event.id]);
  }
}

@Module({
  imports: [
    AmqpModule.forRoot({ url }),
    IdempotencyModule.forRoot({ store: new PostgresIdempotencyStore(pool) }),
    OutboxModule.forRoot({ store: new PostgresOutboxStore(pool), relay: { interval: 100, batch: 20 } }),
  ],
  providers: [Orders],
})
class Worker {}

const app = await NestFactory.create(Worker, { logger: ['error', 'warn'] });
app.enableShutdownHooks();
await app.init();
console.log('ready');
