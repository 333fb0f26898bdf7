/** What TypeScript users of `leveret/amqp` see, as statements about types. Compiled, and never run. */
import type { MessagePort } from 'node:worker_threads';
import { expectTypeOf } from 'expect-type';
import {
  connect,
  connectShared,
  TypedField,
  type AmqpError,
  type ArgumentError,
  type Channel,
  type ChannelClosedByBrokerError,
  type Connection,
  type ConnectionError,
  type ConnectionParameters,
  type Consumer,
  type Delivery,
  type DeliveryStream,
  type FieldTable,
  type FieldValue,
  type MessageBody,
  type ParametersError,
  type PublishProperties,
  type QueueDeclared,
  type ReturnedMessage,
  type SettlementResult,
  type TimeoutError,
  type UnroutableError,
} from 'leveret/amqp';

interface Order {
  readonly sku: string;
}
type TraceHeaders = { trace: string; attempt: number }; // eslint-disable-line @typescript-eslint/consistent-type-definitions

export async function connecting(parameters: ConnectionParameters): Promise<void> {
  expectTypeOf(connect).returns.toEqualTypeOf<Promise<Connection>>();
  await connect();
  await connect('amqp://localhost');
  await connect(['amqp://one', 'amqp://two'] as const, { heartbeat: 20 });
  await connect({ heartbeat: (proposed) => proposed / 2, recovery: false });
  await connect(parameters);
  // @ts-expect-error A URL object is no text.
  await connect(new URL('amqp://localhost'));
  // @ts-expect-error The name is misspelt.
  await connect({ hartbeat: 20 });
  // @ts-expect-error Seconds are a number.
  await connect({ heartbeat: '20' });
  // Every parameter is optional, and may be undefined.
  expectTypeOf<{ [Name in keyof ConnectionParameters]: undefined }>().toExtend<ConnectionParameters>();
  expectTypeOf(connectShared).parameter(0).toEqualTypeOf<MessagePort>();
  expectTypeOf(connectShared).returns.toEqualTypeOf<Promise<Connection>>();
}

export async function theConnection(connection: Connection): Promise<void> {
  expectTypeOf(connection.state).toEqualTypeOf<'connecting' | 'open' | 'recovering' | 'closed' | 'failed'>();
  expectTypeOf(connection.share).returns.toEqualTypeOf<MessagePort>();
  expectTypeOf(connection.negotiated).toExtend<{ channelMax: number; frameMax: number; heartbeat: number }>();
  expectTypeOf(connection.serverProperties).toEqualTypeOf<Readonly<FieldTable>>();
  expectTypeOf(connection.updateSecret).parameter(0).toEqualTypeOf<string | Uint8Array>();
  expectTypeOf(await connection.openChannel({ prefetch: 1, confirm: true })).toEqualTypeOf<Channel>();
  connection.on('lost', ({ cause }) => expectTypeOf(cause).toEqualTypeOf<ConnectionError>());
  connection.on('reconnecting', ({ delay }) => expectTypeOf(delay).toEqualTypeOf<number>());
  connection.on('recovered', ({ renamedQueues }) => {
    expectTypeOf(renamedQueues).toEqualTypeOf<ReadonlyMap<string, string>>();
  });
  connection.on('blocked', ({ reason }) => expectTypeOf(reason).toEqualTypeOf<string>());
  connection.on('unblocked', (event) => expectTypeOf(event).toEqualTypeOf<undefined>());
  // @ts-expect-error No such event.
  connection.on('disconnected', () => undefined);
  // @ts-expect-error What it declares is read.
  connection.topology = undefined;
}

export async function theChannel(channel: Channel): Promise<void> {
  expectTypeOf(await channel.queueDeclare()).toEqualTypeOf<QueueDeclared>();
  expectTypeOf(await channel.queueExists('q')).toEqualTypeOf<boolean>();
  expectTypeOf(await channel.queueDelete('q')).toEqualTypeOf<number>();
  expectTypeOf(await channel.cancel()).toEqualTypeOf<number>();
  expectTypeOf(channel.publish).returns.toEqualTypeOf<Promise<void>>();
  expectTypeOf(channel.basicPublish).returns.toEqualTypeOf<boolean>();
  expectTypeOf(channel.basicAck).returns.toEqualTypeOf<SettlementResult>();
  expectTypeOf<SettlementResult>().toEqualTypeOf<'sent' | 'stale'>();
  expectTypeOf<MessageBody>().toEqualTypeOf<Uint8Array | string>();
  expectTypeOf<Buffer>().toExtend<MessageBody>();
  await channel.exchangeDeclare('shop', 'x-delayed-message');
  channel.on('return', (message) => expectTypeOf(message).toEqualTypeOf<ReturnedMessage>());
  channel.on('lost', ({ cause }) => expectTypeOf(cause).toEqualTypeOf<AmqpError>());
  // @ts-expect-error An object would be sent as what?
  channel.basicPublish('', 'q', { order: 1 });
  // @ts-expect-error The name is misspelt.
  channel.basicPublish('', 'q', 'x', { contentTyp: 'text/plain' });
  // @ts-expect-error RabbitMQ takes a text.
  channel.basicPublish('', 'q', 'x', { expiration: 1_000 });
  // @ts-expect-error Others take a boolean here.
  channel.basicAck(1, true);
  // @ts-expect-error The name is misspelt.
  await channel.queueDeclare('q', { durabel: true });
}

export async function consuming(channel: Channel): Promise<void> {
  const consumer = await channel.basicConsume('q', (delivery) => {
    expectTypeOf(delivery).toEqualTypeOf<Delivery>();
    expectTypeOf(delivery.body).toEqualTypeOf<Buffer>();
    expectTypeOf(delivery.json()).toEqualTypeOf<unknown>();
    expectTypeOf(delivery.headers['x']).toEqualTypeOf<FieldValue>();
  });
  expectTypeOf(consumer).toEqualTypeOf<Consumer>();
  await channel.basicConsume<Order, TraceHeaders>('q', (delivery) => {
    expectTypeOf(delivery).toEqualTypeOf<Delivery<Order, TraceHeaders>>();
    expectTypeOf(delivery.json()).toEqualTypeOf<Order>();
    expectTypeOf(delivery.headers.trace).toEqualTypeOf<string | undefined>();
    expectTypeOf(delivery.headers.attempt).toEqualTypeOf<number | undefined>();
    expectTypeOf(delivery.properties.headers).toEqualTypeOf<Partial<TraceHeaders> | undefined>();
    expectTypeOf(delivery.properties.timestamp).toEqualTypeOf<Date | undefined>();
    expectTypeOf(delivery.ack).returns.toEqualTypeOf<SettlementResult>();
    // @ts-expect-error Others take a boolean here.
    delivery.nack(false);
  });
  const stream = channel.consume<Order, TraceHeaders>('q');
  expectTypeOf(stream).toEqualTypeOf<DeliveryStream<Order, TraceHeaders>>();
  for await (const delivery of stream) expectTypeOf(delivery.json()).toEqualTypeOf<Order>();
  expectTypeOf(await channel.basicGet<Order>('q')).toEqualTypeOf<Delivery<Order> | null>();
  // @ts-expect-error Null is a value too: look first.
  (await channel.basicGet('q')).ack();
}

export function values(): void {
  const everything = {
    ...{ text: 'x', integer: 1, big: 1n, yes: true, nothing: null, absent: undefined, time: new Date() },
    ...{ bytes: Buffer.alloc(1), list: [1, ['a']], table: { deep: [{ x: 1 }] }, small: new TypedField('int8', 1) },
  };
  expectTypeOf(everything).toExtend<FieldTable>();
  expectTypeOf<readonly string[]>().toExtend<FieldValue>();
  expectTypeOf<() => void>().not.toExtend<FieldValue>();
  expectTypeOf<symbol>().not.toExtend<FieldValue>();
  expectTypeOf<unknown>().not.toExtend<FieldValue>();
  expectTypeOf<PublishProperties['persistent']>().toEqualTypeOf<boolean | undefined>();
  expectTypeOf<PublishProperties['headers']>().toEqualTypeOf<FieldTable | undefined>();
}

export function errors(): void {
  expectTypeOf<AmqpError>().toExtend<Error>();
  expectTypeOf<AmqpError['recoverable']>().toEqualTypeOf<boolean>();
  expectTypeOf<AmqpError['replyCode']>().toEqualTypeOf<number | undefined>();
  // Where the broker always sends it, nobody has to look whether it is there.
  expectTypeOf<ChannelClosedByBrokerError['replyCode']>().toEqualTypeOf<number>();
  expectTypeOf<UnroutableError['replyText']>().toEqualTypeOf<string>();
  expectTypeOf<ArgumentError['argument']>().toEqualTypeOf<string>();
  expectTypeOf<ParametersError['faults']>().toEqualTypeOf<readonly string[]>();
  expectTypeOf<TimeoutError['limit']>().toEqualTypeOf<number>();
}
